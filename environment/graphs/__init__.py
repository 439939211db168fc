"""Searching over an existing LangGraph graph: its nodes' models and samples come through the run's config."""
