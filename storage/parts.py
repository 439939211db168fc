"""Long lists in parts, since a statement takes so many values and memory so many rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

KEYS_PER_QUERY = 500
"""Of one statement that names rows by their keys."""


def in_parts(items: Iterable[T], size: int = KEYS_PER_QUERY) -> Iterator[list[T]]:
    """The items in their order, `size` of them at a time."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
