"""What the Optuna searchers share: feasible suggestions, no duplicates, quiet logs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import optuna

from agent.feasible import build_feasible, log_index, random_allocation
from agent.searcher import Problem, Proposal, Searcher
from tools.space import Allocation, Choice, Subtask
from tools.trial import Trial, TrialState

RETRIES = 20
SCANNED = 100_000


class OptunaSearcher(Searcher):
    """An Optuna sampler on a parametrisation in which every suggestion is feasible.

    Per stage the sampler chooses a model and a position in [0, 1] on the log scale of the sample
    counts that still fit. Names and bounds of the parameters never change, so that samplers which
    need a fixed space (GP) and those that model parameters jointly (multivariate TPE) work at
    their best; nothing is ever penalised. A model that does not fit any more is replaced by the
    largest one that does. A suggestion that repeats an allocation is told its known score, which
    costs no trial, and the sampler is asked again.
    """

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(direction="maximize", sampler=self.sampler(seed))
        self._rng = np.random.default_rng(seed)
        self._asked: dict[Allocation, optuna.trial.Trial] = {}
        self._scores: dict[Allocation, float] = {}

    @abstractmethod
    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        """The configured sampler."""

    def ask(self, n: int) -> list[Proposal]:
        proposals: list[Proposal] = []
        while len(proposals) < n and (allocation := self._next()) is not None:
            proposals.append(Proposal(allocation, self.name, "suggested by the sampler"))
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in sorted(trials, key=lambda trial: trial.number):
            asked = self._asked[trial.allocation]
            if trial.state is TrialState.COMPLETE and trial.score is not None:
                self._scores[trial.allocation] = trial.score
                self._study.tell(asked, trial.score)
            else:
                self._study.tell(asked, state=optuna.trial.TrialState.FAIL)

    def _next(self) -> Allocation | None:
        for _ in range(RETRIES):
            trial = self._study.ask()
            allocation = self._suggest(trial)
            if allocation not in self._asked:
                self._asked[allocation] = trial
                return allocation
            known = self._scores.get(allocation)
            if known is None:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, known)
        return self._untried()

    def _suggest(self, trial: optuna.trial.Trial) -> Allocation:
        # Every parameter is suggested in every trial: the space must not depend on the budget left.
        wanted: dict[str, tuple[str, float]] = {
            s.name: (
                trial.suggest_categorical(f"{s.name}.model", [model.name for model in s.by_size]),
                trial.suggest_float(f"{s.name}.position", 0.0, 1.0),
            )
            for s in self.problem.space.subtasks
        }

        def pick(subtask: Subtask, menu: dict[str, list[int]]) -> Choice:
            model, position = wanted[subtask.name]
            if model not in menu:
                model = list(menu)[-1]
            return Choice(model, menu[model][log_index(min(position, 1 - 1e-9), menu[model])])

        return build_feasible(self.problem, pick)

    def _untried(self) -> Allocation | None:
        """A feasible allocation that was not proposed yet, at random; None when there is none."""
        for _ in range(RETRIES):
            allocation = random_allocation(self.problem, self._rng)
            if allocation not in self._asked:
                return self._enqueue(allocation)
        every = self.problem.space.allocations(self.problem.budget, self.problem.cost)
        left = [allocation for allocation in islice(every, SCANNED) if allocation not in self._asked]
        return self._enqueue(left[int(self._rng.integers(len(left)))]) if left else None

    def _enqueue(self, allocation: Allocation) -> Allocation:
        fixed: dict[str, Any] = {f"{name}.model": choice.model for name, choice in allocation.items()}
        self._study.enqueue_trial(fixed)
        self._asked[allocation] = self._study.ask()
        self._suggest(self._asked[allocation])
        return allocation
