"""The tpe baseline: multivariate, with the constant liar for batch asks."""

from __future__ import annotations

import optuna

from agent.optuna_study import OptunaSearcher


class TpeSearcher(OptunaSearcher):
    """Optuna's TPESampler: multivariate, with the constant liar for batch asks."""

    name = "tpe"

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
