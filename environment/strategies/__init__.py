"""How several samples become one answer, one strategy a file."""
