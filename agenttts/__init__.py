"""agenttts: the compute-optimal model and sample allocation of multi-stage LLM pipelines."""
