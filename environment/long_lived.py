"""What lives as long as a search is not looked through for garbage again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

NEW_OBJECTS = 20_000
"""After so many the garbage collector looks through them, during a search; Python's own 700 are a few requests'."""
TIMES = 5
"""After so many looks at the new it looks at the older ones, too. Python's 10 would let 2,000,000 objects gather."""


@contextmanager
def spared_by_collections() -> Iterator[None]:
    """Has the garbage collector pass over all that is there by now, and look less often, until the block ends.

    The objects of a few hundred requests bring about a full collection, which would go through all
    libraries, too: a tenth of a second in which no answer is read. Where this process has frozen
    objects already, be it another search or the program that calls us, nothing changes.
    """
    if gc.get_freeze_count():
        yield
        return
    often, *rarely = gc.get_threshold()
    gc.freeze()
    if often:  # 0 where collections are switched off
        gc.set_threshold(max(often, NEW_OBJECTS), *(min(times, TIMES) for times in rarely))
    try:
        yield
    finally:
        gc.set_threshold(often, *rarely)
        gc.unfreeze()
