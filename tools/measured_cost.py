"""What costs in measured tokens and in measured seconds share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from tools.call_cost import CallCost
from tools.errors import InvalidInput
from tools.measured import Measurements, Table
from tools.token_use import Call

if TYPE_CHECKING:
    from tools.space import Choice, Subtask


@dataclass(frozen=True)
class MeasuredCost(CallCost):
    """A cost of what requests were measured to take, in place of a subtask's typical lengths.

    `table` is a Measurements as plain values. It is part of the settings, so that a session's costs
    stay as they were when it began, whatever is measured later.
    """

    table: Table = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.table:
            raise InvalidInput(
                f"{self.name} cost",
                "needs measurements of the task's models; make them with `agenttts measure` and give their file",
            )
        object.__setattr__(self, "_measurements", Measurements.from_dict(self.table))

    @classmethod
    def measured(cls, measurements: Measurements, **settings: Any) -> Self:
        """The cost of what was measured."""
        return cls(table=measurements.to_dict(), **settings)

    @property
    def measurements(self) -> Measurements:
        """The table, read once."""
        measurements: Measurements = self.__dict__["_measurements"]
        return measurements

    def calls(self, subtask: Subtask, choice: Choice) -> Sequence[Call]:
        """The calls at the model's measured lengths. Raises InvalidInput where none were measured."""
        found = self.measurements.of(subtask.name, choice.model)
        # A generation has a token at least: the one that ends it.
        generation_tokens = max(1.0, found.generation_tokens)
        lengths = replace(subtask, prompt_tokens=found.prompt_tokens, generation_tokens=generation_tokens)
        return super().calls(lengths, choice)
