"""The tpe baseline: multivariate and grouped, with the constant liar for batch asks."""

from __future__ import annotations

import optuna

from agent.optuna_study import OptunaSearcher


class TpeSearcher(OptunaSearcher):
    """Optuna's TPESampler, multivariate on grouped parameters, with the constant liar."""

    name = "tpe"
    conditional = True

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
