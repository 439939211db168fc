"""Votes with arguments, for `vote=` of a pipeline's stage or of a graph's node."""

from __future__ import annotations

from environment.pipelines.votes import items_vote as items

__all__ = ["items"]
