"""What the Optuna searchers share: feasible suggestions, no duplicates, quiet logs."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import optuna

from agent.feasible import FeasibleSpace, Menu, log_index, log_position
from agent.searcher import Problem, Proposal, Searcher
from tools.space import Allocation, Choice, Subtask
from tools.trial import Trial, TrialState


class OptunaSearcher(Searcher):
    """An Optuna sampler on a parametrisation in which every suggestion is feasible.

    Stage by stage the sampler chooses a model among those that fit and a position in [0, 1] on
    the log scale of the sample counts that still fit (FeasibleSpace). Nothing is penalised, so a
    baseline spends no trial on learning where the budget ends. `conditional` says how the
    parameters are named:

    True: the model is suggested among those that fit, under a name that lists them, and every
    model has a position of its own. Honest for samplers that treat parameters as a tree.
    False: every trial has the same parameters, one model and one position a stage, as samplers
    that model the whole space at once need; a model that does not fit any more is replaced by the
    largest that does.

    A suggestion that repeats a told allocation is answered with its known score, which costs no
    trial, and the sampler is asked again; after `retries` an untried allocation is drawn at random
    and reported to the study as if the sampler had made it.
    """

    conditional: ClassVar[bool]
    retries: ClassVar[int] = 20

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            # `group` has been marked experimental since Optuna 2.8; users cannot act on the warning.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = self.sampler(seed)
        self._study = optuna.create_study(
            storage=optuna.storages.InMemoryStorage(), direction="maximize", sampler=sampler
        )
        self._space = FeasibleSpace(problem)
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
        while len(proposals) < n and (proposal := self._next()) is not None:
            proposals.append(proposal)
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        for trial in sorted(trials, key=lambda trial: trial.number):
            if trial.allocation not in self._open:
                continue
            self._open.remove(trial.allocation)
            asked = self._asked[trial.allocation]
            if trial.state is TrialState.COMPLETE and trial.score is not None:
                self._scores[trial.allocation] = trial.score
                self._study.tell(asked, trial.score)
            else:
                self._study.tell(asked, state=optuna.trial.TrialState.FAIL)

    def _abandon_untold(self) -> None:
        """Closes proposals that Search dropped, lest the sampler wait for them forever."""
        for allocation in self._open:
            self._study.tell(self._asked[allocation], state=optuna.trial.TrialState.FAIL)
        self._open.clear()

    def _next(self) -> Proposal | None:
        for _ in range(self.retries):
            trial = self._study.ask()
            allocation = self._suggest(trial)
            if allocation not in self._asked:
                return self._propose(allocation, trial, "suggested by the sampler")
            known = self._scores.get(allocation)
            if known is None:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, known)
        untried = self._space.untried(self._asked, self._rng)
        if untried is None:
            return None
        self._study.enqueue_trial(self._parameters(untried))
        trial = self._study.ask()
        self._suggest(trial)
        return self._propose(untried, trial, f"drawn at random: {self.retries} suggestions repeated earlier ones")

    def _propose(self, allocation: Allocation, trial: optuna.trial.Trial, reason: str) -> Proposal:
        self._asked[allocation] = trial
        self._open.add(allocation)
        return Proposal(allocation, self.name, reason)

    def _suggest(self, trial: optuna.trial.Trial) -> Allocation:
        def pick(subtask: Subtask, menu: Menu) -> Choice:
            model = trial.suggest_categorical(self._model_name(subtask, menu), self._options(subtask, menu))
            if model not in menu:
                model = list(menu)[-1]
            position = trial.suggest_float(self._position_name(subtask, model), 0.0, 1.0)
            return Choice(model, menu[model][log_index(position, menu[model])])

        return self._space.build(pick)

    def _parameters(self, allocation: Allocation) -> dict[str, Any]:
        """The parameters from which `_suggest` makes the allocation."""
        parameters: dict[str, Any] = {}

        def pick(subtask: Subtask, menu: Menu) -> Choice:
            choice = allocation[subtask.name]
            counts = menu[choice.model]
            parameters[self._model_name(subtask, menu)] = choice.model
            parameters[self._position_name(subtask, choice.model)] = log_position(counts.index(choice.samples), counts)
            return choice

        self._space.build(pick)
        return parameters

    def _options(self, subtask: Subtask, menu: Menu) -> list[str]:
        return list(menu) if self.conditional else [model.name for model in subtask.by_size]

    def _model_name(self, subtask: Subtask, menu: Menu) -> str:
        # Optuna wants the same options under the same name throughout a study.
        return f"{subtask.name}: model of {', '.join(menu)}" if self.conditional else f"{subtask.name}: model"

    def _position_name(self, subtask: Subtask, model: str) -> str:
        return f"{subtask.name}: position of {model}" if self.conditional else f"{subtask.name}: position"
