"""The cmaes baseline: covariance matrix adaptation on models and samples as numbers."""

from __future__ import annotations

import optuna

from agent.optuna_parameters import BoxParameters
from agent.optuna_study import OptunaSearcher


class CmaEsSearcher(OptunaSearcher):
    """Optuna's CmaEsSampler; models are ordered by size, since it would choose categories at random.

    A generation is as large as a usual batch: a larger batch would belong to one generation, and
    only its first members would be learnt from.
    """

    name = "cmaes"
    parameters = BoxParameters

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.CmaEsSampler(seed=seed, popsize=10, warn_independent_sampling=False)
