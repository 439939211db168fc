"""The gp baseline: a Gaussian process with expected improvement."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import optuna

from agent.candidates import Candidates
from agent.optuna_parameters import Parameters
from agent.optuna_study import OptunaSearcher
from agent.searcher import Problem, Proposal
from tools.errors import InvalidInput
from tools.space import Allocation, Choice, Subtask

STARTUP = 10
"""Scores that are needed before the process is fitted; until then allocations are drawn at random."""


class PlainParameters(Parameters):
    """For every stage what the score depends on: a number of samples, on a log scale, and the other parts.

    Not every combination fits the budget, so only what FeasibleGpSampler suggests may be read.
    """

    def suggest(self, trial: optuna.trial.BaseTrial) -> Allocation:
        counts = self.space.problem.space.sample_counts

        def choice(subtask: Subtask) -> Choice:
            parts: dict[str, Any] = {
                part: trial.suggest_categorical(f"{subtask.name}: {part}", options)
                for part, options in subtask.candidates.items()
            }
            return Choice(
                samples=trial.suggest_int(f"{subtask.name}: samples", counts[0], counts[-1], log=True), **parts
            )

        return Allocation({subtask.name: choice(subtask) for subtask in self.space.problem.space.subtasks})

    def of(self, allocation: Allocation) -> dict[str, Any]:
        values = {name: choice.to_dict() for name, choice in allocation.items()}
        return {f"{name}: {part}": value for name, parts in values.items() for part, value in parts.items()}


class FeasibleGpSampler(optuna.samplers.GPSampler):
    """Optuna's GPSampler whose acquisition function is maximised over `candidates` alone.

    See Candidates for the reason.
    """

    candidates: Sequence[dict[str, Any]] = ()

    def _optimize_acqf(self, acqf: Any, best_params: Any) -> Any:
        # Of the trials it is given the method reads no more than how many there are.
        places = acqf.search_space.get_normalized_params(self.candidates, self.candidates)
        return places[int(np.argmax(acqf.eval_acqf_no_grad(places)))]


class GpSearcher(OptunaSearcher):
    """Optuna's Gaussian process with log expected improvement, over untried allocations.

    Raises InvalidInput where torch is not installed.
    """

    name = "gp"
    parameters = PlainParameters

    def __init__(self, problem: Problem, seed: int) -> None:
        missing = [package for package in ("torch", "scipy") if find_spec(package) is None]
        if missing:
            raise InvalidInput("searcher", f'gp needs {" and ".join(missing)}: pip install "agenttts[gp]"')
        super().__init__(problem, seed)
        self._candidates = Candidates(self._space, self._rng)

    def ask(self, n: int) -> list[Proposal]:
        import torch

        # The process has some hundred points at most: more threads than one only wait for each other.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return super().ask(n)
        finally:
            torch.set_num_threads(threads)

    def suggest(self) -> Proposal | None:
        if len(self._scores) < STARTUP:
            return self.draw(f"fewer than {STARTUP} scores are known")
        best = max(self._scores, key=self._scores.__getitem__)
        candidates = self._candidates.untried(self._asked, best)
        if not candidates:
            return self.draw("every candidate was tried")
        self._gp.candidates = [self._parameters.of(allocation) for allocation in candidates]
        trial = self._study.ask()
        return self.propose(self._parameters.suggest(trial), trial, "suggested by the sampler")

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        # An allocation always scores the same on the same examples.
        self._gp = FeasibleGpSampler(
            seed=seed, n_startup_trials=STARTUP, deterministic_objective=True, warn_independent_sampling=False
        )
        return self._gp
