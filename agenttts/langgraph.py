"""LangGraph both ways: searching over a graph (`GraphPipeline`, and what its nodes call), and the search as a graph."""

from __future__ import annotations

from agent.studio import loop_graph, search_graph
from environment.graphs.pipeline import GraphPipeline
from environment.graphs.sampling import chat_model, sample, sample_in_thread

__all__ = ["GraphPipeline", "chat_model", "loop_graph", "sample", "sample_in_thread", "search_graph"]
