"""Which untried allocations to run together next, where every budget up to the largest counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from agent.belief.belief import Belief
from agent.belief.regression import Array
from agent.belief.response import ChoiceTable, Response
from agent.planner.batch import DRAWS, BatchChooser, Pick
from agent.planner.frontier import Frontier
from agent.searcher import Problem
from tools.cost import BUDGET_TOLERANCE
from tools.floors import floors
from tools.space import Allocation

LEVELS = 24
"""Budgets over which the gain is summed."""
NOMINATING_LEVELS = 8
"""Those of them for which allocations are nominated."""
NOMINATING = 16
"""Draws whose best allocations within each of these are considered, beside those of the belief's mean."""
NOMINATED = 4
"""How many untried allocations each of them nominates within each budget."""


class FrontChooser(BatchChooser):
    """Chooses allocations that together raise the front of score against cost most.

    As BatchChooser, but the worth of a set is the mean of its highest scores within each of many
    budgets, of which all doublings weigh the same: expected hypervolume improvement, with costs
    that are known exactly.
    """

    def __init__(self, problem: Problem, tables: Sequence[ChoiceTable]) -> None:
        super().__init__(problem, tables)
        self._problem = problem
        self._levels = budget_levels(problem, LEVELS)
        nominating = self._levels[::-1][:: LEVELS // NOMINATING_LEVELS]
        self._frontiers = [Frontier(replace(problem, budget=float(level)), tables) for level in nominating]

    def choose(
        self,
        belief: Belief,
        n: int,
        *,
        tried: Sequence[Allocation],
        taken: Collection[Allocation],
        rng: np.random.Generator,
    ) -> list[Pick]:
        draws = [belief.sample(rng) for _ in range(DRAWS)]
        candidates = self._candidates([belief.mean(), *draws[:NOMINATING]], max(n, NOMINATED), taken)
        if not candidates:
            return []
        values = self._values(draws, [*candidates, *tried])
        affordable = self._affordable([*candidates, *tried])
        # What a budget that buys no trial's allocation is worth: the least there is.
        best = np.repeat(values.min(axis=1)[:, None], len(self._levels), axis=1)
        for place in range(len(candidates), values.shape[1]):
            best = np.maximum(best, np.where(affordable[place], values[:, place, None], -np.inf))
        picks: list[Pick] = []
        free = np.ones(len(candidates), dtype=bool)
        while len(picks) < min(n, len(candidates)):
            gains = np.full(len(candidates), -1.0)
            for place in np.flatnonzero(free).tolist():
                more = np.maximum(values[:, place, None] - best[:, affordable[place]], 0.0)
                gains[place] = more.mean(axis=0).sum() / len(self._levels)
            place = int(gains.argmax())
            free[place] = False
            best = np.maximum(best, np.where(affordable[place], values[:, place, None], -np.inf))
            picks.append(Pick(candidates[place], float(gains[place])))
        return picks

    def _candidates(
        self, nominating: Sequence[Sequence[Response]], each: int, taken: Collection[Allocation]
    ) -> list[Allocation]:
        nominated: dict[Allocation, None] = {}
        for frontier in self._frontiers:
            for responses in nominating:
                untried = (allocation for allocation, _ in frontier.ranked(responses) if allocation not in taken)
                nominated.update(dict.fromkeys(islice(untried, each)))
        return list(nominated)

    def _affordable(self, allocations: Sequence[Allocation]) -> npt.NDArray[np.bool_]:
        """For each allocation (rows), which levels (columns) it fits."""
        space, cost = self._problem.space, self._problem.cost
        costs = np.array([cost.total(space, allocation) for allocation in allocations])
        fits: npt.NDArray[np.bool_] = costs[:, None] <= self._levels + BUDGET_TOLERANCE * np.maximum(
            1, abs(self._levels)
        )
        return fits


def budget_levels(problem: Problem, number: int) -> Array:
    """Budgets from the cheapest feasible allocation's cost up, each as many times the one before.

    The highest is the problem's own, or what the dearest allocation costs where that is less. Where
    costs are not above zero the steps are equal instead.
    """
    limits = problem.limits
    tables = [limits.table(subtask, problem.space.choices(subtask)) for subtask in problem.space.subtasks]
    totals = floors(tables, len(limits.most))
    cheapest = float(totals[(totals <= limits.most).all(axis=1), 0].min())
    dearest = sum(float(table[:, 0].max()) for table in tables)
    highest = max(cheapest, min(problem.budget, dearest))
    levels: Array = (np.geomspace if cheapest > 0 else np.linspace)(cheapest, highest, number)
    return levels
