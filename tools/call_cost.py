"""Costs that add up what each call of a model costs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from tools.cost import CostModel
from tools.errors import InvalidInput
from tools.text import shortened
from tools.token_use import Call, calls_of, samples_alone

if TYPE_CHECKING:
    from tools.space import Choice, Model, Subtask


@dataclass(frozen=True)
class CallCost(CostModel):
    """A subtask costs the sum over its calls.

    With `every_call` these are all calls that its strategy makes (tools.token_use), such as that
    which fuses the samples; without it the samples alone. `strategies` are those of the subtasks
    whose choices name none; a task fills them in.
    """

    every_call: bool = field(default=True, kw_only=True)
    strategies: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.every_call, bool):
            raise InvalidInput(f"{self.name}.every_call", f"must be true or false, got {shortened(self.every_call)}")

    @abstractmethod
    def call(self, subtask: Subtask, model: Model, call: Call) -> float:
        """The cost of one call of a profile, all of its requests and generations, in `unit`."""

    def subtask(self, subtask: Subtask, choice: Choice) -> float:
        """Raises UnknownName for a foreign model, InvalidInput where a fact about a model is unknown."""
        model = subtask.model(choice.model)
        return sum(self.call(subtask, model, call) for call in self.calls(subtask, choice))

    def calls(self, subtask: Subtask, choice: Choice) -> Sequence[Call]:
        """The calls that count."""
        if self.every_call:
            return calls_of(subtask, choice, self.strategies)
        return samples_alone(subtask, choice.samples)

    def with_strategies(self, strategies: Mapping[str, str]) -> Self:
        return replace(self, strategies=dict(strategies)) if self.every_call else self

    def settings(self) -> dict[str, Any]:
        return asdict(self)
