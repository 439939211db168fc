"""The costs of a space's choices as arrays, for reckoning with a million allocations at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tools import counting

if TYPE_CHECKING:
    from tools.limits import Limits
    from tools.space import Choice, SearchSpace

Array = npt.NDArray[np.float64]
Picks = npt.NDArray[np.intp]
"""Allocations as integers: a row an allocation, a column a subtask in pipeline order, each the position of
its choice in CostTable.choices."""


class CostTable:
    """What every choice of a space costs, in the budget's cost and in that of each cap, reckoned once.

    `choices` holds each subtask's choices in the order of `SearchSpace.choices`; `rows` beside them one
    row a choice and one column a cost, the main one first. Building it asks each cost model once a choice;
    after that an allocation is a few look-ups.
    """

    def __init__(self, space: SearchSpace, limits: Limits) -> None:
        """Raises InvalidInput where a cost needs a fact about a model that is unknown."""
        self.names = tuple(subtask.name for subtask in space.subtasks)
        self.choices = tuple(tuple(space.choices(subtask)) for subtask in space.subtasks)
        self.rows = tuple(limits.table(s, choices) for s, choices in zip(space.subtasks, self.choices, strict=True))
        self.most = limits.most
        self._rungs = len(space.sample_counts)
        self._places = tuple({choice: place for place, choice in enumerate(choices)} for choices in self.choices)

    def picks(self, allocations: Sequence[Mapping[str, Choice]]) -> Picks:
        """Valid allocations as integers."""
        columns = [
            np.fromiter((places[allocation[name]] for allocation in allocations), np.intp, len(allocations))
            for name, places in zip(self.names, self._places, strict=True)
        ]
        return np.column_stack(columns)

    def chosen(self, pick: Sequence[int]) -> dict[str, Choice]:
        """The choices that one row of picks stands for, by subtask: the inverse of `picks`."""
        picked = zip(self.names, self.choices, pick, strict=True)
        return {name: choices[place] for name, choices, place in picked}

    def totals(self, picks: Picks, column: int = 0) -> Array:
        """What each allocation costs on one example: the main cost, or that of the cap at `column` - 1.

        The sum is that of `CostModel.total`, in its order.
        """
        total = np.zeros(len(picks))
        for stage, rows in enumerate(self.rows):
            total += np.ascontiguousarray(rows[:, column])[picks[:, stage]]
        return total

    def fits(self, picks: Picks) -> npt.NDArray[np.bool_]:
        """Whether each allocation is within the budget and every cap."""
        fitting: npt.NDArray[np.bool_] = self.totals(picks) <= self.most[0]
        for column in range(1, len(self.most)):
            fitting &= self.totals(picks, column) <= self.most[column]
        return fitting

    def count(self) -> int:
        """Exactly how many allocations fit; they are counted, not enumerated."""
        ladders = [rows.reshape(-1, self._rungs, len(self.most)) for rows in self.rows]
        return counting.count_within(ladders, self.most)

    def fitting(self) -> Iterator[tuple[int, ...]]:
        """Lazily, the picks of every allocation that fits, in a fixed order."""
        return counting.iterate_within(self.rows, self.most)
