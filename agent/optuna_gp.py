"""The gp baseline: a Gaussian process with expected improvement."""

from __future__ import annotations

from importlib.util import find_spec

import optuna

from agent.optuna_study import OptunaSearcher
from agent.searcher import Problem, Proposal
from tools.errors import InvalidInput


class GpSearcher(OptunaSearcher):
    """Optuna's GPSampler: a Gaussian process with log expected improvement.

    Not conditional, because the process models only parameters that every trial has; conditional
    ones it would draw at random. Raises InvalidInput where torch is not installed.
    """

    name = "gp"
    conditional = False
    # Every repetition costs a fit of the process, and its cost grows with the repetitions told.
    retries = 3

    def __init__(self, problem: Problem, seed: int) -> None:
        missing = [package for package in ("torch", "scipy") if find_spec(package) is None]
        if missing:
            raise InvalidInput("searcher", f'gp needs {" and ".join(missing)}: pip install "agenttts[gp]"')
        super().__init__(problem, seed)

    def ask(self, n: int) -> list[Proposal]:
        import torch

        # The process has some hundred points at most: more threads than one only wait for each other.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return super().ask(n)
        finally:
            torch.set_num_threads(threads)

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
