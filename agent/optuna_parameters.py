"""How an allocation is written as the parameters of an Optuna study."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import optuna

from agent.feasible import FeasibleSpace, Menu, log_index, log_position
from tools.space import Allocation, Choice, Subtask


class Parameters(ABC):
    """A parametrisation of what fits a budget, in which a sampler can suggest nothing else.

    Stage by stage the parameters choose a model and a position in [0, 1] on the log scale of all
    sample counts, cut to those that still fit: a position means the same number in every trial.
    Nothing is penalised, so that no trial is spent on learning where the budget ends.
    """

    def __init__(self, space: FeasibleSpace) -> None:
        self.space = space

    def place(self, position: float, fitting: Sequence[int]) -> int:
        """The index of the fitting count that a position in [0, 1] means."""
        return min(log_index(position, self.space.problem.space.sample_counts), len(fitting) - 1)

    def position(self, place: int, fitting: Sequence[int]) -> float:
        """The middle of the positions that mean the fitting count at an index."""
        return log_position(place, self.space.problem.space.sample_counts)

    @abstractmethod
    def suggest(self, trial: optuna.trial.BaseTrial) -> Allocation:
        """The allocation that a trial's parameters mean; it fits, whatever they are."""

    @abstractmethod
    def of(self, allocation: Allocation) -> dict[str, Any]:
        """Parameters from which `suggest` makes a feasible allocation."""


class TreeParameters(Parameters):
    """For samplers that treat parameters one by one.

    The model is chosen among those that fit, under a name that lists them, since Optuna wants the
    same options under the same name; every model has a position of its own.
    """

    def suggest(self, trial: optuna.trial.BaseTrial) -> Allocation:
        def pick(subtask: Subtask, menu: Menu) -> Choice:
            model = trial.suggest_categorical(self._model_name(subtask, menu), list(menu))
            position = trial.suggest_float(self._position_name(subtask, model), 0.0, 1.0)
            return Choice(model, menu[model][self.place(position, menu[model])])

        return self.space.build(pick)

    def of(self, allocation: Allocation) -> dict[str, Any]:
        parameters: dict[str, Any] = {}

        def pick(subtask: Subtask, menu: Menu) -> Choice:
            choice = allocation[subtask.name]
            counts = menu[choice.model]
            parameters[self._model_name(subtask, menu)] = choice.model
            parameters[self._position_name(subtask, choice.model)] = self.position(counts.index(choice.samples), counts)
            return choice

        self.space.build(pick)
        return parameters

    def _model_name(self, subtask: Subtask, menu: Menu) -> str:
        return f"{subtask.name}: model of {', '.join(menu)}"

    def _position_name(self, subtask: Subtask, model: str) -> str:
        return f"{subtask.name}: position of {model}"


class BoxParameters(Parameters):
    """For samplers that model the whole space at once: every trial has the same numeric parameters.

    A stage's model is a position among those that fit, by size.
    """

    def suggest(self, trial: optuna.trial.BaseTrial) -> Allocation:
        def pick(subtask: Subtask, menu: Menu) -> Choice:
            size = trial.suggest_float(f"{subtask.name}: model", 0.0, 1.0)
            model = list(menu)[min(int(size * len(menu)), len(menu) - 1)]
            position = trial.suggest_float(f"{subtask.name}: position", 0.0, 1.0)
            return Choice(model, menu[model][self.place(position, menu[model])])

        return self.space.build(pick)

    def of(self, allocation: Allocation) -> dict[str, Any]:
        parameters: dict[str, Any] = {}

        def pick(subtask: Subtask, menu: Menu) -> Choice:
            choice = allocation[subtask.name]
            counts = menu[choice.model]
            parameters[f"{subtask.name}: model"] = (list(menu).index(choice.model) + 0.5) / len(menu)
            parameters[f"{subtask.name}: position"] = self.position(counts.index(choice.samples), counts)
            return choice

        self.space.build(pick)
        return parameters
