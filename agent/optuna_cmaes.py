"""The cmaes baseline: covariance matrix adaptation on models and samples as numbers."""

from __future__ import annotations

import optuna

from agent.optuna_parameters import BoxParameters
from agent.optuna_study import OptunaSearcher


class CmaEsSearcher(OptunaSearcher):
    """Optuna's CmaEsSampler; models are ordered by size, since it would choose categories at random.

    A generation is as large as a usual batch: of a batch that exceeds its generation only the first
    members would be learnt from. The first step is wider than Optuna's sixth of the space.
    """

    name = "cmaes"
    parameters = BoxParameters

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.CmaEsSampler(seed=seed, popsize=10, sigma0=0.3, warn_independent_sampling=False)
