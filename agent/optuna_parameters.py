"""How an allocation is written as the parameters of an Optuna study."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import optuna

from agent.feasible import FeasibleSpace, Menu, log_index, log_position
from tools.space import Allocation, Choice, Subtask, Variant


class Parameters(ABC):
    """A parametrisation of what fits a budget, in which a sampler can suggest nothing else.

    Stage by stage the parameters choose a model, a strategy and a temperature where these are
    searched, and a position in [0, 1] on the log scale of all sample counts, cut to those that still
    fit: a position means the same number in every trial.
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

    def variant(self, subtask: Subtask, menu: Menu, choose: Callable[[str, Sequence[Any]], Any]) -> Variant:
        """The variant on a menu that `choose(part, options)` leaves: part by part, one of the options that fit."""
        left = list(menu)
        for part in subtask.candidates:
            chosen = choose(part, list(dict.fromkeys(getattr(variant, part) for variant in left)))
            left = [variant for variant in left if getattr(variant, part) == chosen]
        return left[0]

    @abstractmethod
    def suggest(self, trial: optuna.trial.BaseTrial) -> Allocation:
        """The allocation that a trial's parameters mean; it fits, whatever they are."""

    @abstractmethod
    def of(self, allocation: Allocation) -> dict[str, Any]:
        """Parameters from which `suggest` makes a feasible allocation."""


class TreeParameters(Parameters):
    """For samplers that treat parameters one by one.

    The model is chosen among those that fit, under a name that lists them, since Optuna wants the
    same options under the same name, and so are strategy and temperature; every model has a
    position of its own.
    """

    def suggest(self, trial: optuna.trial.BaseTrial) -> Allocation:
        def pick(subtask: Subtask, menu: Menu) -> Choice:
            def choose(part: str, options: Sequence[Any]) -> Any:
                return trial.suggest_categorical(self._name(subtask, part, options), options)

            variant = self.variant(subtask, menu, choose)
            position = trial.suggest_float(self._position_name(subtask, variant), 0.0, 1.0)
            return variant.choice(menu[variant][self.place(position, menu[variant])])

        return self.space.build(pick)

    def of(self, allocation: Allocation) -> dict[str, Any]:
        parameters: dict[str, Any] = {}

        def pick(subtask: Subtask, menu: Menu) -> Choice:
            choice = allocation[subtask.name]

            def choose(part: str, options: Sequence[Any]) -> Any:
                parameters[self._name(subtask, part, options)] = getattr(choice, part)
                return getattr(choice, part)

            counts = menu[self.variant(subtask, menu, choose)]
            position = self.position(counts.index(choice.samples), counts)
            parameters[self._position_name(subtask, choice.variant)] = position
            return choice

        self.space.build(pick)
        return parameters

    def _name(self, subtask: Subtask, part: str, options: Sequence[Any]) -> str:
        return f"{subtask.name}: {part} of {', '.join(map(str, options))}"

    def _position_name(self, subtask: Subtask, variant: Variant) -> str:
        return f"{subtask.name}: position of {variant.model}"


class BoxParameters(Parameters):
    """For samplers that model the whole space at once: every trial has the same numeric parameters.

    A stage's model is a position among those that fit, by size; a strategy or temperature is one
    among those listed that fit.
    """

    def suggest(self, trial: optuna.trial.BaseTrial) -> Allocation:
        def pick(subtask: Subtask, menu: Menu) -> Choice:
            def choose(part: str, options: Sequence[Any]) -> Any:
                size = trial.suggest_float(f"{subtask.name}: {part}", 0.0, 1.0)
                return options[min(int(size * len(options)), len(options) - 1)]

            variant = self.variant(subtask, menu, choose)
            position = trial.suggest_float(f"{subtask.name}: position", 0.0, 1.0)
            return variant.choice(menu[variant][self.place(position, menu[variant])])

        return self.space.build(pick)

    def of(self, allocation: Allocation) -> dict[str, Any]:
        parameters: dict[str, Any] = {}

        def pick(subtask: Subtask, menu: Menu) -> Choice:
            choice = allocation[subtask.name]

            def choose(part: str, options: Sequence[Any]) -> Any:
                place = options.index(getattr(choice, part))
                parameters[f"{subtask.name}: {part}"] = (place + 0.5) / len(options)
                return options[place]

            counts = menu[self.variant(subtask, menu, choose)]
            parameters[f"{subtask.name}: position"] = self.position(counts.index(choice.samples), counts)
            return choice

        self.space.build(pick)
        return parameters
