"""What lives as long as a search is not looked through for garbage again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def spared_by_collections() -> Iterator[None]:
    """Has the garbage collector pass over all that is there by now, until the block ends.

    The objects of a few hundred requests bring about a full collection, which would go through all
    libraries, too: a tenth of a second in which no answer is read. Where this process has frozen
    objects already, be it another search or the program that calls us, nothing changes.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
