"""Which untried allocations to run together next, where every budget up to the largest counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from agent.belief.regression import Array
from agent.belief.response import ChoiceTable
from agent.planner.batch import BatchChooser
from agent.planner.frontier import Frontier
from agent.searcher import Problem
from tools.cost import BUDGET_TOLERANCE
from tools.floors import floors
from tools.space import Allocation

LEVELS = 24
"""Budgets over which the gain is summed."""
NOMINATING_LEVELS = 8
"""Those of them for which allocations are nominated."""


class FrontWorth:
    """The mean over draws and budget levels of the highest score that each level buys."""

    def __init__(self, values: Array, candidates: int, affordable: npt.NDArray[np.bool_]) -> None:
        """`affordable` says for each allocation (rows) which levels (columns) it fits."""
        self._values, self._affordable, self._candidates = values, affordable, candidates
        # What a budget that buys no trial's allocation is worth: the least there is.
        self._best = np.repeat(values.min(axis=1)[:, None], affordable.shape[1], axis=1)
        for place in range(candidates, values.shape[1]):
            self.take(place)

    def gains(self, free: npt.NDArray[np.bool_]) -> Array:
        gained = np.full(self._candidates, -1.0)
        for place in np.flatnonzero(free).tolist():
            fits = self._affordable[place]
            more = np.maximum(self._values[:, place, None] - self._best[:, fits], 0.0)
            gained[place] = more.mean(axis=0).sum() / self._affordable.shape[1]
        return gained

    def take(self, place: int) -> None:
        bought = np.where(self._affordable[place], self._values[:, place, None], -np.inf)
        self._best = np.maximum(self._best, bought)


class FrontChooser(BatchChooser):
    """Chooses allocations that together raise the front of score against cost most.

    As BatchChooser, but the worth of a set is the mean of its highest scores within each of many
    budgets, of which all doublings weigh the same: expected hypervolume improvement, with costs
    that are known exactly.
    """

    nominating = 16
    nominated = 4

    def __init__(self, problem: Problem, tables: Sequence[ChoiceTable]) -> None:
        self._problem = problem
        self._levels = budget_levels(problem, LEVELS)
        super().__init__(problem, tables)

    def frontiers(self, problem: Problem) -> list[Frontier]:
        levels = self._levels[::-1][:: LEVELS // NOMINATING_LEVELS]
        return [Frontier(replace(problem, budget=float(level)), self._tables) for level in levels]

    def worth(self, values: Array, candidates: Sequence[Allocation], tried: Sequence[Allocation]) -> FrontWorth:
        table = self._problem.cost_table
        costs = table.totals(table.picks([*candidates, *tried]))
        limits = self._levels + BUDGET_TOLERANCE * np.maximum(1, abs(self._levels))
        return FrontWorth(values, len(candidates), costs[:, None] <= limits)


def budget_levels(problem: Problem, number: int) -> Array:
    """Budgets from the cheapest feasible allocation's cost up, each as many times the one before.

    The highest is the problem's own, or what the dearest allocation costs where that is less. Where
    costs are not above zero the steps are equal instead.
    """
    table = problem.cost_table
    totals = floors(table.rows, len(table.most))
    cheapest = float(totals[(totals <= table.most).all(axis=1), 0].min())
    dearest = sum(float(rows[:, 0].max()) for rows in table.rows)
    highest = max(cheapest, min(problem.budget, dearest))
    levels: Array = (np.geomspace if cheapest > 0 else np.linspace)(cheapest, highest, number)
    return levels
