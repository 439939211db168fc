"""What fuzzing keeps away: servers that would serve, requests that would leave, and processes that would start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


@contextmanager
def surroundings() -> Iterator[None]:
    """In the block `serve` returns once it would listen, and no variable of the environment holds a key."""
    run = uvicorn.Server.run
    kept = {name: os.environ.pop(name) for name in ("OPENAI_API_KEY", "AGENTTTS_STORAGE") if name in os.environ}
    uvicorn.Server.run = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        uvicorn.Server.run = run  # type: ignore[method-assign]
        os.environ.update(kept)
