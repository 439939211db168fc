"""Votes by name: the output that several parsed samples support."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import median_low
from typing import Any

from environment.metrics import normalise_answer
from environment.pipelines.values import items_of

Vote = Callable[[Sequence[Any]], Any]
"""vote(outputs) gives one output; None stands for a response that could not be read."""


def majority(outputs: Sequence[Any]) -> Any:
    """The most frequent output, texts compared normalised; the earliest among equals."""
    read = [output for output in outputs if output is not None]
    if not read:
        return None
    counts = Counter(_key(output) for output in read)
    most = max(counts.values())
    return next(output for output in read if counts[_key(output)] == most)


def items(outputs: Sequence[Any], *, at_most: int | None = None) -> tuple[Any, ...]:
    """The items that at least half of the outputs hold, else the one held most; in their natural order.

    `at_most` bounds them to those held most, the first in natural order among equals.
    """
    counts = Counter(item for output in outputs for item in dict.fromkeys(items_of(output)))
    ranked = sorted(_ordered(counts), key=lambda item: -counts[item])
    kept = [item for item in ranked if 2 * counts[item] >= len(outputs)] or ranked[:1]
    return _ordered(kept[:at_most])


def median(outputs: Sequence[Any]) -> Any:
    """The middle number; of two middle ones the lower. Outputs that are no numbers are left out."""
    numbers = [output for output in outputs if isinstance(output, int | float) and not isinstance(output, bool)]
    return median_low(numbers) if numbers else None


def first(outputs: Sequence[Any]) -> Any:
    """The first output that could be read."""
    return next((output for output in outputs if output is not None), None)


VOTES: Mapping[str, Vote] = {"majority": majority, "items": items, "median": median, "first": first}


def items_vote(at_most: int | None = None) -> Vote:
    """The vote `items` with a bound."""
    return partial(items, at_most=at_most)


def _ordered(items: Iterable[Any]) -> tuple[Any, ...]:
    listed = tuple(items)
    try:
        return tuple(sorted(listed))
    except TypeError:  # unlike items have no order but that of their first mention
        return listed


def _key(output: Any) -> str:
    if isinstance(output, str):
        # A text of nothing but punctuation would equal every other such text.
        return normalise_answer(output) or output
    return json.dumps(output, sort_keys=True, default=repr)
