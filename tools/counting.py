"""Exact counting and lazy enumeration of the picks, one per list, whose costs fit a budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tools.cost import BUDGET_TOLERANCE, within_budget

MERGE_LIMIT = 4_000_000
"""Largest list of partial sums held at once (32 MB of floats)."""


def count_within(costs: Sequence[Sequence[float]], budget: float) -> int:
    """How many picks (one cost per list) sum to at most the budget; exact, meet in the middle.

    Lists are merged into at most two lists of partial sums and the pairs are counted by binary
    search; a list that would grow past MERGE_LIMIT is walked element by element instead.
    """
    limit = budget + BUDGET_TOLERANCE * max(1.0, abs(budget))
    return _count([np.asarray(values, dtype=np.float64) for values in costs], limit)


def _count(lists: list[npt.NDArray[np.float64]], limit: float) -> int:
    lists = sorted(lists, key=len)
    while len(lists) > 2 and len(lists[0]) * len(lists[1]) <= MERGE_LIMIT:
        merged = np.add.outer(lists[0], lists[1]).ravel()
        lists = sorted([merged, *lists[2:]], key=len)
    if len(lists) == 1:
        return int(np.count_nonzero(lists[0] <= limit))
    if len(lists) == 2:
        few, many = lists
        return int(np.searchsorted(np.sort(many), limit - few, side="right").sum())
    return sum(_count(lists[1:], limit - value) for value in lists[0].tolist())


def iterate_within(costs: Sequence[Sequence[float]], budget: float) -> Iterator[tuple[int, ...]]:
    """Lazily, the index tuples whose costs sum to at most the budget, in lexicographic order.

    A branch is left as soon as the cheapest completion no longer fits.
    """
    cheapest_rest = [0.0]
    for values in reversed(costs):
        cheapest_rest.append(cheapest_rest[-1] + min(values))
    cheapest_rest.reverse()

    def walk(stage: int, spent: float, picks: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if stage == len(costs):
            yield picks
            return
        for index, value in enumerate(costs[stage]):
            if within_budget(spent + value + cheapest_rest[stage + 1], budget):
                yield from walk(stage + 1, spent + value, (*picks, index))

    return walk(0, 0.0, ())
