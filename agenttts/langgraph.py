"""Searching over a LangGraph graph: `GraphPipeline`, and what its nodes call to sample."""

from __future__ import annotations

from environment.graphs.pipeline import GraphPipeline
from environment.graphs.sampling import chat_model, sample, sample_in_thread

__all__ = ["GraphPipeline", "chat_model", "sample", "sample_in_thread"]
