"""Searchers side by side: the same trials on the same problems, with the truth known and statistics paired."""
