"""Processes that begin with everything loaded that a session needs: they are forked off one that has run a search."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext


def warm_processes() -> ForkServerContext:
    """Where such processes are started."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.agent.warmed"])
    return context
