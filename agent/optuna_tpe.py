"""The tpe baseline: tree-structured Parzen estimators, with the constant liar for batch asks."""

from __future__ import annotations

from typing import Any

import optuna

from agent.optuna_parameters import TreeParameters
from agent.optuna_study import OptunaSearcher

CANDIDATES = 100
"""How many values of a parameter are drawn to choose from; Optuna's 24 did slightly worse."""


class KeepingTpeSampler(optuna.samplers.TPESampler):
    """Optuna's TPESampler, which keeps an estimator for as long as it rests on the same trials.

    On a small space most suggestions repeat what is tried or under way, and another is asked for: then hardly
    anything has changed. An estimator is a function of its trials' parameters, which are fixed once all of them
    were suggested, and nobody may ask for another trial of the study before. It suggests what Optuna's does.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._kept: dict[tuple[tuple[str, ...], bool], tuple[list[int], Any]] = {}

    def _build_parzen_estimator(
        self, study: Any, search_space: dict[str, Any], trials: list[Any], handle_below: bool
    ) -> Any:
        key = (tuple(search_space), handle_below)
        numbers = [trial.number for trial in trials]
        if key not in self._kept or self._kept[key][0] != numbers:
            self._kept[key] = (numbers, super()._build_parzen_estimator(study, search_space, trials, handle_below))
        return self._kept[key][1]


class TpeSearcher(OptunaSearcher):
    """Optuna's TPESampler, one estimator a parameter, with the constant liar."""

    name = "tpe"
    parameters = TreeParameters

    def sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        return KeepingTpeSampler(seed=seed, multivariate=False, constant_liar=True, n_ei_candidates=CANDIDATES)
