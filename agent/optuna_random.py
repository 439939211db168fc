"""The random baseline: uniform over models and log-scaled sample counts."""

from __future__ import annotations

import optuna

from agent.optuna_parameters import TreeParameters
from agent.optuna_study import OptunaSearcher


class RandomSearcher(OptunaSearcher):
    """Optuna's RandomSampler: uniform over the models that fit, log-uniform over their samples."""

    name = "random"
    parameters = TreeParameters

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.RandomSampler(seed=seed)
