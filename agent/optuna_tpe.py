"""The tpe baseline: tree-structured Parzen estimators, with the constant liar for batch asks."""

from __future__ import annotations

import optuna

from agent.optuna_parameters import TreeParameters
from agent.optuna_study import OptunaSearcher

CANDIDATES = 100
"""How many values of a parameter are drawn to choose from; Optuna's 24 did slightly worse."""


class TpeSearcher(OptunaSearcher):
    """Optuna's TPESampler, one estimator a parameter, with the constant liar."""

    name = "tpe"
    parameters = TreeParameters

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.TPESampler(seed=seed, multivariate=False, constant_liar=True, n_ei_candidates=CANDIDATES)
