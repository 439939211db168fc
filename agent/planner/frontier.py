"""The best feasible allocations for a response of every subtask."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from agent.belief.regression import Array
from agent.belief.response import ChoiceTable, Response
from agent.searcher import Problem
from tools.floors import floors, reachable
from tools.space import Allocation

PREFIXES = 20_000
"""Beginnings of allocations that are followed at once; beyond it only promising ones are kept."""
CELLS = 1_000_000
"""Beginnings times last choices that are kept laid out between responses (8 MB)."""
BINS = 200
FIRST = (16, 128, 1024)
"""How many of the best are looked for, step by step; all are sorted only where these are not enough."""
SLACK = 1e-9
"""Far above the rounding of a score: rows whose best comes this close to the threshold are looked at exactly."""

Ints = npt.NDArray[np.intp]
Picks = tuple[int, ...]
"""The position of each subtask's choice in its table."""


@dataclass(frozen=True)
class Beginnings:
    """Choices of every subtask but the last that leave room for one there, and which fit after each.

    `picks` has a row for each, `fits` beside it a column for each choice of the last subtask; `penalty` is
    0 where that fits, else minus infinity.
    """

    picks: Ints
    fits: npt.NDArray[np.bool_]
    penalty: Array

    def without(self, left_out: Collection[Picks]) -> Beginnings:
        """The same, where some allocations do not fit."""
        rows = self._rows
        cells = [(rows[picks[:-1]], picks[-1]) for picks in left_out if picks[:-1] in rows]
        fits, penalty = self.fits.copy(), self.penalty.copy()
        for row, choice in cells:
            fits[row, choice], penalty[row, choice] = False, -np.inf
        return replace(self, fits=fits, penalty=penalty)

    @cached_property
    def _rows(self) -> dict[Picks, int]:
        """The row of each beginning."""
        return {tuple(picks): row for row, picks in enumerate(self.picks.tolist())}


class Frontier:
    """Puts allocations together stage by stage, keeping room for some choice of every later stage."""

    def __init__(self, problem: Problem, tables: Sequence[ChoiceTable]) -> None:
        self._names = [subtask.name for subtask in problem.space.subtasks]
        self._tables = tables
        limits = problem.limits
        self._most = limits.most
        self._costs = [limits.table(s, t.choices) for s, t in zip(problem.space.subtasks, tables, strict=True)]
        self._rest = [floors(self._costs[position + 1 :], len(self._most)) for position in range(len(self._costs))]
        self._beginnings = self._lay_out()
        self._left_out: frozenset[Picks] = frozenset()

    def without(self, left_out: Collection[Picks]) -> Frontier:
        """The same frontier, which ranks some allocations no more."""
        other = copy(self)
        other._left_out = frozenset(left_out)
        if self._beginnings is not None:
            other._beginnings = self._beginnings.without(left_out)
        return other

    def ranked(self, responses: Sequence[Response]) -> Iterator[tuple[Allocation, float]]:
        """Feasible allocations from the highest final score down, with that score in modelled units."""
        return ((self.allocation(picks), score) for picks, score in self.best(responses))

    def best(self, responses: Sequence[Response]) -> Iterator[tuple[Picks, float]]:
        """The same, with each allocation as positions in the tables."""
        if self._beginnings is None:
            beginnings, upstream = self._promising_beginnings(responses)
        else:
            beginnings = self._beginnings
            upstream = np.zeros(len(beginnings.picks))
            for position, response in enumerate(responses[:-1]):
                column = beginnings.picks[:, position]
                upstream = _after(response, column, upstream)
        descending = _descending(beginnings, responses[-1], upstream)
        return (found for found in descending if found[0] not in self._left_out)

    def allocation(self, picks: Picks) -> Allocation:
        """The allocation that positions in the tables are."""
        chosen = (table.choices[pick] for table, pick in zip(self._tables, picks, strict=True))
        return Allocation(dict(zip(self._names, chosen, strict=True)))

    def _lay_out(self) -> Beginnings | None:
        """Every beginning; None where there are too many, and which are followed depends on the responses."""
        picks, spent = _start(len(self._most))
        for position in range(len(self._costs) - 1):
            prefix, choice, spent = self._extended(position, spent)
            picks = np.column_stack([picks[prefix], choice])
            if len(picks) > PREFIXES:
                return None
        return self._ended(picks, spent) if len(picks) * len(self._costs[-1]) <= CELLS else None

    def _promising_beginnings(self, responses: Sequence[Response]) -> tuple[Beginnings, Array]:
        """The beginnings to follow, and their last score."""
        picks, spent = _start(len(self._most))
        score = np.zeros(1)
        for position, response in enumerate(responses[:-1]):
            prefix, choice, spent = self._extended(position, spent)
            score = _after(response, choice, score[prefix])
            picks = np.column_stack([picks[prefix], choice])
            if len(score) > PREFIXES:
                kept = _promising(score, spent[:, 0])
                score, spent, picks = score[kept], spent[kept], picks[kept]
        return self._ended(picks, spent), score

    def _extended(self, position: int, spent: Array) -> tuple[Ints, Ints, Array]:
        """Which beginning goes on with which choice of the subtask at `position`, and what each has then spent."""
        total, fits = self._fitting(position, spent)
        prefix, choice = np.nonzero(fits)
        return prefix, choice, total[prefix, choice]

    def _ended(self, picks: Ints, spent: Array) -> Beginnings:
        _, fits = self._fitting(len(self._costs) - 1, spent)
        return Beginnings(picks, fits, np.where(fits, 0.0, -np.inf))

    def _fitting(self, position: int, spent: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
        total = spent[:, None, :] + self._costs[position]
        fits = reachable(total.reshape(-1, len(self._most)), self._rest[position], self._most)
        return total, fits.reshape(total.shape[:2])


def _start(costs: int) -> tuple[Ints, Array]:
    """One beginning, of no choice."""
    return np.zeros((1, 0), dtype=np.intp), np.zeros((1, costs))


def _after(response: Response, choice: Ints, upstream: Array) -> Array:
    """The scores of choices, each after its own upstream score; with the rounding of Response.at."""
    score: Array = response.level[choice] + response.slope[choice] * upstream + response.bend * upstream * upstream
    return score


def _promising(score: Array, spent: Array) -> Ints:
    """For every level of spending the prefixes with the highest scores."""
    bins = np.digitize(spent, np.quantile(spent, np.linspace(0, 1, BINS + 1)[1:-1]))
    order = np.lexsort((-score, bins))
    ranks = np.arange(len(order)) - np.searchsorted(bins[order], bins[order])
    kept: Ints = order[ranks < PREFIXES // BINS]
    return kept


def _descending(beginnings: Beginnings, last: Response, upstream: Array) -> Iterator[tuple[Picks, float]]:
    """Picks from the highest score down, equal ones in the order of the tables."""
    # The best that each beginning can come to: one product of matrices, as this is done for every draw.
    powers = np.stack([np.ones_like(upstream), upstream, upstream * upstream], axis=1)
    terms = np.stack([last.level, last.slope, np.full_like(last.level, last.bend)])
    peaks = (powers @ terms + beginnings.penalty).max(axis=1, initial=-np.inf)
    given = 0
    for wanted in (*FIRST, beginnings.fits.size):
        for row, choice, score in _top(beginnings, last, upstream, peaks, wanted)[given:]:
            yield (*beginnings.picks[row].tolist(), choice), score
            given += 1


def _top(
    beginnings: Beginnings, last: Response, upstream: Array, peaks: Array, wanted: int
) -> list[tuple[int, int, float]]:
    """The beginning, last choice and score of the `wanted` best; all where fewer fit."""
    rows, floor = np.arange(len(peaks)), -np.inf
    if wanted < len(peaks):
        # As many rows have a peak at or above the bar, so no score below it is among the wanted.
        floor = np.partition(peaks, len(peaks) - wanted)[len(peaks) - wanted] - SLACK
        rows = np.flatnonzero(peaks >= floor)
    scores = last.at(upstream[rows])
    row, choice = np.nonzero(beginnings.fits[rows] & (scores >= floor))
    found = scores[row, choice]
    if 4 * wanted < len(found):
        near = np.flatnonzero(found >= np.partition(found, len(found) - wanted)[len(found) - wanted])
        row, choice, found = row[near], choice[near], found[near]
    order = np.argsort(-found, kind="stable")[:wanted]
    return list(zip(rows[row[order]].tolist(), choice[order].tolist(), found[order].tolist(), strict=True))
