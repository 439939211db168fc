"""Which untried allocations to run together next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from agent.belief.belief import Belief
from agent.belief.regression import Array
from agent.belief.response import ChoiceTable, Response
from agent.planner.frontier import Frontier
from agent.searcher import Problem
from tools.space import Allocation

DRAWS = 256
"""Draws from the belief over which the gain of a batch is averaged."""
NOMINATING = 48
"""Draws whose best allocations are considered, beside those of the belief's mean."""
NOMINATED = 8
"""How many untried allocations each of them nominates."""


@dataclass(frozen=True, slots=True)
class Pick:
    """An allocation of a batch, and what it is expected to add to the best score within reach.

    `gain` is in modelled units, beside the trials so far and the picks before it.
    """

    allocation: Allocation
    gain: float


class BatchChooser:
    """Chooses allocations that together raise the expected best score most.

    The worth of a set is the mean over draws from the belief of the highest score in it and among
    the trials so far: expected improvement for a batch (Ginsbourger et al. 2010). It is
    submodular, so that adding the allocation with the highest gain one by one loses little
    (Wilson et al. 2018). What one draw wants anyway gains nothing more: a batch spreads by itself
    over what is possible, and no trial goes to what is certainly worse.
    """

    def __init__(self, problem: Problem, tables: Sequence[ChoiceTable]) -> None:
        self._names = [subtask.name for subtask in problem.space.subtasks]
        self._tables = tables
        self._frontier = Frontier(problem, tables)

    def choose(
        self,
        belief: Belief,
        n: int,
        *,
        tried: Sequence[Allocation],
        taken: Collection[Allocation],
        rng: np.random.Generator,
    ) -> list[Pick]:
        """Up to `n` picks that are not among `taken`; `tried` has scores. Fewer when no more fit."""
        draws = [belief.sample(rng) for _ in range(DRAWS)]
        candidates = self._candidates([belief.mean(), *draws[:NOMINATING]], max(n, NOMINATED), taken)
        values = self._values(draws, [*candidates, *tried])
        values, known = values[:, : len(candidates)], values[:, len(candidates) :]
        # Before any trial the first pick gains against the middle of what is possible.
        best = known.max(axis=1) if tried else np.full(DRAWS, np.median(values) if candidates else 0.0)
        picks: list[Pick] = []
        free = np.ones(len(candidates), dtype=bool)
        while len(picks) < min(n, len(candidates)):
            gains = np.where(free, np.maximum(values - best[:, None], 0.0).mean(axis=0), -1.0)
            place = int(gains.argmax())
            free[place] = False
            best = np.maximum(best, values[:, place])
            picks.append(Pick(candidates[place], float(gains[place])))
        return picks

    def _candidates(
        self, nominating: Sequence[Sequence[Response]], each: int, taken: Collection[Allocation]
    ) -> list[Allocation]:
        nominated: dict[Allocation, None] = {}
        for responses in nominating:
            untried = (allocation for allocation, _ in self._frontier.ranked(responses) if allocation not in taken)
            nominated.update(dict.fromkeys(islice(untried, each)))
        return list(nominated)

    def _values(self, draws: Sequence[Sequence[Response]], allocations: Sequence[Allocation]) -> Array:
        """The final score of every allocation (columns) by every draw (rows), in modelled units."""
        value = np.zeros((len(draws), len(allocations)))
        for position, (name, table) in enumerate(zip(self._names, self._tables, strict=True)):
            rows = np.array([table.nearest(allocation[name]) for allocation in allocations], dtype=np.intp)
            level = np.array([draw[position].level for draw in draws])[:, rows]
            slope = np.array([draw[position].slope for draw in draws])[:, rows]
            bend = np.array([[draw[position].bend] for draw in draws])
            value = level + slope * value + bend * value * value
        return value
