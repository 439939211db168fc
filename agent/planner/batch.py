"""Which untried allocations to run together next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from agent.belief.belief import Belief
from agent.belief.regression import Array
from agent.belief.response import ChoiceTable, Draws, Response
from agent.planner.frontier import Frontier, Picks
from agent.searcher import Problem
from tools.space import Allocation

DRAWS = 256
"""Draws from the belief over which the gain of a batch is averaged."""


@dataclass(frozen=True, slots=True)
class Pick:
    """An allocation of a batch, and what it is expected to add to the best score within reach.

    `gain` is in modelled units, beside the trials so far and the picks before it.
    """

    allocation: Allocation
    gain: float


class Worth(Protocol):
    """What a set of allocations is worth, while it grows."""

    def gains(self, free: npt.NDArray[np.bool_]) -> Array:
        """What each candidate would add; -1 for those that are not free."""

    def take(self, place: int) -> None:
        """Adds a candidate to the set."""


class BestScore:
    """The mean over draws of the highest score in the set and among the trials."""

    def __init__(self, values: Array, candidates: int) -> None:
        self._values, known = values[:, :candidates], values[:, candidates:]
        # Before any trial the first pick gains against the middle of what is possible.
        self._best = known.max(axis=1) if known.shape[1] else np.full(len(values), np.median(values))

    def gains(self, free: npt.NDArray[np.bool_]) -> Array:
        gained = np.maximum(self._values - self._best[:, None], 0.0).mean(axis=0)
        return np.where(free, gained, -1.0)

    def take(self, place: int) -> None:
        self._best = np.maximum(self._best, self._values[:, place])


class BatchChooser:
    """Chooses allocations that together raise the expected best score most.

    The worth of a set is the mean over draws from the belief of the highest score in it and among
    the trials so far: expected improvement for a batch (Ginsbourger et al. 2010). It is
    submodular, so that adding the allocation with the highest gain one by one loses little
    (Wilson et al. 2018). What one draw wants anyway gains nothing more: a batch spreads by itself
    over what is possible, and no trial goes to what is certainly worse.
    """

    nominating: ClassVar[int] = 48
    """Draws whose best allocations are considered, beside those of the belief's mean."""
    nominated: ClassVar[int] = 8
    """How many untried allocations each of them nominates, by each frontier."""

    def __init__(self, problem: Problem, tables: Sequence[ChoiceTable]) -> None:
        self._names = [subtask.name for subtask in problem.space.subtasks]
        self._tables = tables
        self._frontiers = self.frontiers(problem)

    def frontiers(self, problem: Problem) -> list[Frontier]:
        """Those that nominate allocations."""
        return [Frontier(problem, self._tables)]

    def worth(self, values: Array, candidates: Sequence[Allocation], tried: Sequence[Allocation]) -> Worth:
        """What allocations add, from the scores (columns) of candidates, then trials, by every draw (rows)."""
        return BestScore(values, len(candidates))

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
        draws = belief.samples(rng, DRAWS)
        nominating = [belief.mean(), *([draw.one(place) for draw in draws] for place in range(self.nominating))]
        candidates = self._candidates(nominating, max(n, self.nominated), taken)
        if not candidates:
            return []
        worth = self.worth(self._values(draws, [*candidates, *tried]), candidates, tried)
        picks: list[Pick] = []
        free = np.ones(len(candidates), dtype=bool)
        while len(picks) < min(n, len(candidates)):
            gains = worth.gains(free)
            place = int(gains.argmax())
            free[place] = False
            worth.take(place)
            picks.append(Pick(candidates[place], float(gains[place])))
        return picks

    def _candidates(
        self, nominating: Sequence[Sequence[Response]], each: int, taken: Collection[Allocation]
    ) -> list[Allocation]:
        known = {picks for allocation in taken if (picks := self._picks(allocation))}
        nominated: dict[Picks, None] = {}
        for frontier in self._frontiers:
            untried = frontier.without(known)
            for responses in nominating:
                nominated.update(dict.fromkeys(picks for picks, _ in islice(untried.best(responses), each)))
        return [self._frontiers[0].allocation(picks) for picks in nominated]

    def _picks(self, allocation: Allocation) -> Picks | None:
        """The positions of an allocation's choices in the tables; None where a table leaves one out."""
        picks = [table.position(allocation[n]) for n, table in zip(self._names, self._tables, strict=True)]
        return tuple(pick for pick in picks if pick is not None) if None not in picks else None

    def _values(self, draws: Sequence[Draws], allocations: Sequence[Allocation]) -> Array:
        """The final score of every allocation (columns) by every draw (rows), in modelled units."""
        value = np.zeros((DRAWS, len(allocations)))
        for name, table, draw in zip(self._names, self._tables, draws, strict=True):
            rows = np.array([table.nearest(allocation[name]) for allocation in allocations], dtype=np.intp)
            value = draw.level[:, rows] + draw.slope[:, rows] * value + draw.bend[:, None] * value * value
        return value
