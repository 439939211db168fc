"""The random baseline: uniform over models and log-scaled sample counts."""

from __future__ import annotations

import optuna

from agent.optuna_study import OptunaSearcher


class RandomSearcher(OptunaSearcher):
    """Optuna's RandomSampler: uniform over the models that fit, log-uniform over their samples.

    Conditional, because replacing models that do not fit would favour the replacement.
    """

    name = "random"
    conditional = True

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.RandomSampler(seed=seed)
