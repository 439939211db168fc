"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 60.0


def until(happens: Callable[[], bool]) -> None:
    """Returns once it holds; fails where it never does."""
    end = time.monotonic() + SECONDS
    while not happens():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
