"""Simulated tasks: surrogate response surfaces at the paper's scale; no model is ever run."""
