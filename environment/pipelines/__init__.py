"""A person's own pipelines: from a YAML file, from Python functions, from a LangGraph graph."""
