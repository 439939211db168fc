"""The planner: every batch is what raises the expected best score most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np

from agent.belief.belief import Belief
from agent.belief.response import Insights, choice_tables
from agent.feasible import FeasibleSpace, usual
from agent.planner.batch import BatchChooser
from agent.searcher import Problem, Proposal, Searcher
from tools.errors import InvalidInput
from tools.history import completed
from tools.space import Allocation
from tools.text import shortened
from tools.trial import Guideline, Trial


class PlannerSearcher(Searcher):
    """The three insights of AgentTTS as priors of a Bayesian model; no language model.

    Every batch is the set of untried allocations that raises the expected best score most, by
    draws from what the trials leave possible (BatchChooser); the first one by the priors alone.
    """

    name = "planner"
    chooser: ClassVar[type[BatchChooser]] = BatchChooser

    def __init__(self, problem: Problem, seed: int, *, without: Iterable[int] = ()) -> None:
        """`without` names insights (1 models, 2 samples, 3 coupling) to leave out, for ablations.

        Raises InvalidInput on another number.
        """
        super().__init__(problem, seed)
        left_out = _numbers(without)
        self._insights = Insights(*(number not in left_out for number in (1, 2, 3)))
        self._rng = np.random.default_rng(seed)
        self._space = FeasibleSpace(problem)
        self._tables = choice_tables(problem.space)
        self._chooser = self.chooser(problem, self._tables)
        self._trials: list[Trial] = []
        self._proposed: set[Allocation] = set()
        self._belief: Belief | None = None

    def ask(self, n: int) -> list[Proposal]:
        belief = self._current()
        picks = self._chooser.choose(
            belief,
            n if self._proposed else min(n, self._first_batch()),
            tried=[trial.allocation for trial in completed(self._trials)],
            taken=self._proposed,
            rng=self._rng,
        )
        chosen = [Proposal(pick.allocation, self.name, belief.why(pick.allocation)) for pick in picks]
        self._proposed.update(pick.allocation for pick in picks)
        return chosen or self._random(n)

    def tell(self, trials: Sequence[Trial]) -> None:
        self._trials.extend(trials)
        self._proposed.update(trial.allocation for trial in trials)
        self._belief = None

    def conclude(self) -> Guideline | None:
        belief = self._current()
        if belief.best is None:
            return None
        return Guideline(self._trials[-1].batch, belief.summary(), self.name)

    def _current(self) -> Belief:
        """What the completed trials tell."""
        if self._belief is None:
            self._belief = Belief(self.problem, self._tables, self._insights, self._trials)
        return self._belief

    def _first_batch(self) -> int:
        """As many trials as Algorithm 1 begins with, one for each subtask and model: scores soon tell more."""
        return sum(len(usual(self._space.menu(subtask, {}))) for subtask in self.problem.space.subtasks)

    def _random(self, n: int) -> list[Proposal]:
        """Untried feasible allocations, where the tables, which may leave out sample counts, have no more."""
        proposals: list[Proposal] = []
        while len(proposals) < n:
            untried = self._space.untried(self._proposed, self._rng)
            if untried is None:
                break
            self._proposed.add(untried)
            proposals.append(Proposal(untried, self.name, "explores: random within the budget"))
        return proposals


def _numbers(without: object) -> set[int]:
    listed = list(without) if isinstance(without, list | tuple | set | frozenset) else [without]
    numbers = {number for number in listed if isinstance(number, int) and not isinstance(number, bool)}
    if len(numbers) < len(listed) or not numbers <= {1, 2, 3}:
        raise InvalidInput("without", f"names insights by number (1, 2 or 3), once each, got {shortened(without)}")
    return numbers
