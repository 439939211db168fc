"""The grid baseline: models (and what else is searched) times log-spaced sample counts, coarse to fine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from agent.feasible import FeasibleSpace, log_index
from agent.searcher import Problem, Proposal, Searcher
from tools.space import Allocation, Choice
from tools.trial import Trial

LEVELS = 10
FINEST = 20_000
"""A level of more allocations is not made; what the levels leave out is drawn at random."""


class GridSearcher(Searcher):
    """A grid over what fits the budget, whose every beginning covers the whole space.

    Level k gives every variant (a model, where searched with a strategy and a temperature) that fits
    2^k log-spaced sample counts: the middles of as many equal parts of those that still fit, so that
    level 0 compares the variants alone. A level is shuffled by the seed and gone through before the
    next, finer one.
    """

    name = "grid"

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._space = FeasibleSpace(problem)
        self._rng = np.random.default_rng(seed)
        self._tried: set[Allocation] = set()
        self._waiting: list[Proposal] = []
        self._level = 0

    def ask(self, n: int) -> list[Proposal]:
        self._waiting = [proposal for proposal in self._waiting if proposal.allocation not in self._tried]
        while len(self._waiting) < n and self._level < LEVELS:
            self._waiting += self._next_level()
        return self._waiting[:n] or self._drawn(n)

    def tell(self, trials: Sequence[Trial]) -> None:
        self._tried.update(trial.allocation for trial in trials)

    def _next_level(self) -> list[Proposal]:
        """What the next level adds, shuffled; nothing where it is too large, and then no level follows."""
        counts = 2**self._level
        allocations = list(islice(self._allocations(counts, {}), FINEST + 1))
        if len(allocations) > FINEST:
            self._level = LEVELS
            return []
        self._level += 1
        known = self._tried.union(proposal.allocation for proposal in self._waiting)
        added = [allocation for allocation in allocations if allocation not in known]
        reason = f"on the grid of {counts} sample counts a model"
        return [Proposal(added[place], self.name, reason) for place in self._rng.permutation(len(added))]

    def _allocations(self, counts: int, chosen: Mapping[str, Choice]) -> Iterator[Allocation]:
        """Every allocation of a level that begins with the choices made, stage after stage."""
        subtasks = self.problem.space.subtasks
        if len(chosen) == len(subtasks):
            yield self.problem.space.validate(chosen)
            return
        subtask = subtasks[len(chosen)]
        for variant, fitting in self._space.menu(subtask, chosen).items():
            places = {log_index((part + 0.5) / counts, fitting) for part in range(counts)}
            for place in sorted(places):
                yield from self._allocations(counts, {**chosen, subtask.name: variant.choice(fitting[place])})

    def _drawn(self, n: int) -> list[Proposal]:
        known = set(self._tried)
        proposals: list[Proposal] = []
        while len(proposals) < n and (allocation := self._space.untried(known, self._rng)) is not None:
            known.add(allocation)
            proposals.append(Proposal(allocation, self.name, "drawn at random: the grid is used up"))
        return proposals
