"""The only place where model-written code runs (docs/sandbox.md)."""
