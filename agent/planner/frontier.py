"""The best feasible allocations for a response of every subtask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from agent.belief.regression import Array
from agent.belief.response import ChoiceTable, Response
from agent.searcher import Problem
from tools.floors import floors, reachable
from tools.space import Allocation

PREFIXES = 20_000
"""Beginnings of allocations that are followed at once; beyond it only promising ones are kept."""
BINS = 200
FIRST = 1000


class Frontier:
    """Puts allocations together stage by stage, keeping room for some choice of every later stage."""

    def __init__(self, problem: Problem, tables: Sequence[ChoiceTable]) -> None:
        self._problem = problem
        self._tables = tables
        subtasks = problem.space.subtasks
        limits = problem.limits
        self._most = limits.most
        self._costs = [limits.table(s, table.choices) for s, table in zip(subtasks, tables, strict=True)]
        self._rest = [floors(self._costs[position + 1 :], len(self._most)) for position in range(len(self._costs))]

    def ranked(self, responses: Sequence[Response]) -> Iterator[tuple[Allocation, float]]:
        """Feasible allocations from the highest final score down, with that score in modelled units."""
        score, spent = np.zeros(1), np.zeros((1, len(self._most)))
        picks: npt.NDArray[np.intp] = np.zeros((1, 0), dtype=np.intp)
        for position, (response, costs) in enumerate(zip(responses, self._costs, strict=True)):
            total = spent[:, None, :] + costs
            fits = reachable(total.reshape(-1, len(self._most)), self._rest[position], self._most)
            prefix, choice = np.nonzero(fits.reshape(total.shape[:2]))
            score = response.at(score)[prefix, choice]
            spent = total[prefix, choice]
            picks = np.column_stack([picks[prefix], choice])
            if position < len(responses) - 1 and len(score) > PREFIXES:
                kept = _promising(score, spent[:, 0])
                score, spent, picks = score[kept], spent[kept], picks[kept]
        names = [subtask.name for subtask in self._problem.space.subtasks]
        for row in _descending(score):
            chosen = (table.choices[pick] for table, pick in zip(self._tables, picks[row], strict=True))
            yield Allocation(dict(zip(names, chosen, strict=True))), float(score[row])


def _promising(score: Array, spent: Array) -> npt.NDArray[np.intp]:
    """For every level of spending the prefixes with the highest scores."""
    bins = np.digitize(spent, np.quantile(spent, np.linspace(0, 1, BINS + 1)[1:-1]))
    order = np.lexsort((-score, bins))
    ranks = np.arange(len(order)) - np.searchsorted(bins[order], bins[order])
    kept: npt.NDArray[np.intp] = order[ranks < PREFIXES // BINS]
    return kept


def _descending(score: Array) -> Iterator[int]:
    """Positions from the highest score down; the rest is sorted only where the first are not enough."""
    if not len(score):
        return
    first = min(FIRST, len(score))
    top = np.argpartition(-score, first - 1)[:first]
    yield from (int(row) for row in top[np.argsort(-score[top], kind="stable")])
    if first < len(score):
        seen = set(top.tolist())
        yield from (row for row in np.argsort(-score, kind="stable").tolist() if row not in seen)
