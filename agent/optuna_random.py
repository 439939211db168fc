"""The random baseline: uniform over models and log-scaled sample counts."""

from __future__ import annotations

import optuna

from agent.optuna_study import OptunaSearcher


class RandomSearcher(OptunaSearcher):
    """Optuna's RandomSampler: uniform over models and log-scaled sample counts."""

    name = "random"

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.RandomSampler(seed=seed)
