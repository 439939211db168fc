"""The gp baseline: a Gaussian process with expected improvement."""

from __future__ import annotations

import optuna

from agent.optuna_study import OptunaSearcher


class GpSearcher(OptunaSearcher):
    """Optuna's GPSampler: a Gaussian process with expected improvement."""

    name = "gp"

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.GPSampler(seed=seed)
