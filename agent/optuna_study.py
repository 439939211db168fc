"""What the Optuna searchers share: feasible suggestions, no duplicates, quiet logs."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import optuna

from agent.feasible import FeasibleSpace
from agent.optuna_parameters import Parameters
from agent.searcher import Problem, Proposal, Searcher
from tools.space import Allocation
from tools.trial import Trial, TrialState

Direction = Literal["maximize", "minimize"]


class OptunaSearcher(Searcher):
    """An Optuna sampler on a parametrisation in which every suggestion is feasible.

    A suggestion that repeats a told allocation is answered with its known score, which costs no
    trial, and the sampler is asked again; after `retries` an untried allocation is drawn at random
    and reported to the study as if the sampler had made it.
    """

    parameters: ClassVar[type[Parameters]]
    retries: ClassVar[int] = 20
    directions: ClassVar[Sequence[Direction]] = ("maximize",)
    """Of the objectives: the score, then the cost where it counts too."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            # Users cannot act on what these warn of: settings that Optuna calls experimental or means to drop.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.simplefilter("ignore", FutureWarning)
            sampler = self.sampler(seed)
        self._study = optuna.create_study(
            storage=optuna.storages.InMemoryStorage(), directions=self.directions, sampler=sampler
        )
        self._space = FeasibleSpace(problem)
        self._parameters = self.parameters(self._space)
        self._rng = np.random.default_rng(seed)
        self._asked: dict[Allocation, optuna.trial.Trial] = {}
        self._open: set[Allocation] = set()
        self._scores: dict[Allocation, float] = {}

    @abstractmethod
    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        """The configured sampler."""

    def ask(self, n: int) -> list[Proposal]:
        self._abandon_untold()
        proposals: list[Proposal] = []
        while len(proposals) < n and (proposal := self.suggest()) is not None:
            proposals.append(proposal)
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in sorted(trials, key=lambda trial: trial.number):
            if trial.allocation in self._open:
                self._open.remove(trial.allocation)
                asked = self._asked[trial.allocation]
            else:
                # Of another searcher, or one that was given up and finished after all.
                asked = self._entered(trial.allocation)
            if trial.state is TrialState.COMPLETE and trial.score is not None:
                self._scores[trial.allocation] = trial.score
                self._study.tell(asked, self._values(trial.allocation))
            else:
                self._study.tell(asked, state=optuna.trial.TrialState.FAIL)

    def suggest(self) -> Proposal | None:
        """One new allocation of the sampler; None when nothing is untried."""
        for _ in range(self.retries):
            trial = self._study.ask()
            allocation = self._parameters.suggest(trial)
            if allocation not in self._asked:
                return self.propose(allocation, trial, "suggested by the sampler")
            if allocation in self._scores:
                self._study.tell(trial, self._values(allocation))
            else:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return self.draw(f"{self.retries} suggestions repeated earlier ones")

    def draw(self, why: str) -> Proposal | None:
        """An untried allocation at random, entered as a suggestion; None when nothing is untried."""
        allocation = self._space.untried(self._asked, self._rng)
        if allocation is None:
            return None
        return self.propose(allocation, self._entered(allocation), f"drawn at random: {why}")

    def propose(self, allocation: Allocation, trial: optuna.trial.Trial, reason: str) -> Proposal:
        """The proposal of an allocation that a trial of the study stands for."""
        self._asked[allocation] = trial
        self._open.add(allocation)
        return Proposal(allocation, self.name, reason)

    def _entered(self, allocation: Allocation) -> optuna.trial.Trial:
        """A new trial of the study that stands for an allocation, as if the sampler had suggested it."""
        self._study.enqueue_trial(self._parameters.of(allocation))
        trial = self._study.ask()
        self._parameters.suggest(trial)
        self._asked[allocation] = trial
        return trial

    def _values(self, allocation: Allocation) -> list[float]:
        """The objectives of an allocation whose score is known."""
        return [self._scores[allocation], self._space.total(allocation)][: len(self.directions)]

    def _abandon_untold(self) -> None:
        """Closes proposals that Search dropped, lest the sampler wait for them forever."""
        for allocation in self._open:
            self._study.tell(self._asked[allocation], state=optuna.trial.TrialState.FAIL)
        self._open.clear()
