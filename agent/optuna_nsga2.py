"""The nsga2 baseline: a genetic algorithm on models and samples as numbers."""

from __future__ import annotations

import optuna

from agent.optuna_parameters import BoxParameters
from agent.optuna_study import OptunaSearcher


class Nsga2Searcher(OptunaSearcher):
    """Optuna's NSGAIISampler with small generations; with one objective it selects by score.

    With Optuna's population of 50 the usual 50 trials would all be the first, random generation.
    """

    name = "nsga2"
    parameters = BoxParameters

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=5)
