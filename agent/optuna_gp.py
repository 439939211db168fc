"""The gp baseline: a Gaussian process with expected improvement."""

from __future__ import annotations

from importlib.util import find_spec

import optuna

from agent.optuna_study import OptunaSearcher
from agent.searcher import Problem
from tools.errors import InvalidInput


class GpSearcher(OptunaSearcher):
    """Optuna's GPSampler: a Gaussian process with log expected improvement.

    Not conditional, because the process models only parameters that every trial has; conditional
    ones it would draw at random. Raises InvalidInput where torch is not installed.
    """

    name = "gp"
    conditional = False

    def __init__(self, problem: Problem, seed: int) -> None:
        missing = [package for package in ("torch", "scipy") if find_spec(package) is None]
        if missing:
            raise InvalidInput("searcher", f'gp needs {" and ".join(missing)}: pip install "agenttts[gp]"')
        super().__init__(problem, seed)

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
