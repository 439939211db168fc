"""Exact counting and lazy enumeration of the picks, one row of each table, whose costs fit their limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tools.floors import floors, reachable

Array = npt.NDArray[np.float64]

MERGE_LIMIT = 4_000_000
"""Largest list of partial sums held at once (32 MB of floats for one cost)."""


def count_within(tables: Sequence[Array], most: Array) -> int:
    """How many picks (one row of each table) sum to at most `most` in every column; exact.

    A table's first axis is any number of ladders, its second the rungs of each, whose costs do not
    fall, its third the costs. One cost: lists are merged into at most two lists of partial sums
    whose pairs are counted by binary search (meet in the middle). Several: for every sum of all
    tables but the largest, what still fits of each ladder is a number of rungs, found the same way;
    that takes time in proportion to the sums that leave room.
    """
    if len(most) == 1:
        return _count_one([table.ravel() for table in tables], float(most[0]))
    *others, largest = sorted(tables, key=lambda table: table[..., 0].size)
    start = np.zeros((1, len(most)))
    return _count_several(start, [table.reshape(-1, len(most)) for table in others], largest, most)


def _count_one(lists: list[Array], limit: float) -> int:
    lists = sorted(lists, key=len)
    while len(lists) > 2 and len(lists[0]) * len(lists[1]) <= MERGE_LIMIT:
        merged = np.add.outer(lists[0], lists[1]).ravel()
        # What leaves no room for the cheapest rest is in no pick that fits.
        merged = merged[merged <= limit - sum(float(rest.min()) for rest in lists[2:])]
        lists = sorted([merged, *lists[2:]], key=len)
    if len(lists) == 1:
        return int(np.count_nonzero(lists[0] <= limit))
    if len(lists) == 2:
        few, many = lists
        return int(np.searchsorted(np.sort(many), limit - few, side="right").sum())
    return sum(_count_one(lists[1:], limit - value) for value in lists[0].tolist())


def _count_several(spent: Array, tables: Sequence[Array], ladders: Array, most: Array) -> int:
    """The picks that begin with one of the sums spent, a part of them at a time."""
    columns = len(most)
    if not tables:
        left = most - spent
        fitting = [
            np.min([np.searchsorted(ladder[:, c], left[:, c], side="right") for c in range(columns)], axis=0)
            for ladder in ladders
        ]
        return int(np.sum(fitting))
    rest = floors([*tables[1:], ladders.reshape(-1, columns)], columns)
    step = max(1, MERGE_LIMIT // len(tables[0]))
    count = 0
    for start in range(0, len(spent), step):
        sums = (spent[start : start + step, None, :] + tables[0][None, :, :]).reshape(-1, columns)
        count += _count_several(sums[reachable(sums, rest, most)], tables[1:], ladders, most)
    return count


def iterate_within(tables: Sequence[Array], most: Array) -> Iterator[tuple[int, ...]]:
    """Lazily, the row numbers whose costs sum to at most `most` in every column, in lexicographic order.

    A table has one row a pick and one column a cost. A branch is left as soon as nothing completes it.
    """
    columns = len(most)
    rest = [floors(tables[position + 1 :], columns) for position in range(len(tables))]

    def walk(stage: int, spent: Array, picks: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        totals = spent + tables[stage]
        for index in np.flatnonzero(reachable(totals, rest[stage], most)).tolist():
            if stage == len(tables) - 1:
                yield (*picks, index)
            else:
                yield from walk(stage + 1, totals[index], (*picks, index))

    return walk(0, np.zeros(columns), ())
