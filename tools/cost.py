"""The contract of a cost model: what an allocation costs, in which unit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tools.registry import Registry

if TYPE_CHECKING:
    from tools.space import Allocation, Choice, SearchSpace, Subtask

BUDGET_TOLERANCE = 1e-9
"""Relative slack that absorbs the rounding of sums, so that a total equal to the budget fits."""


class CostModel(ABC):
    """What a choice costs. Pure: the same arguments always give the same number.

    Called by every searcher and by the executor before a trial. A cost must not fall when only
    the number of samples rises.
    """

    name: str
    unit: str

    @property
    def formula(self) -> str:
        """How a subtask's cost comes about, in a sentence for readers and for the search agent."""
        return ""

    @abstractmethod
    def subtask(self, subtask: Subtask, choice: Choice) -> float:
        """The cost of one subtask on one example, in `unit`. Raises UnknownName for a foreign model."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The plain values that rebuild this model, for logs and sessions."""

    def with_strategies(self, strategies: Mapping[str, str]) -> CostModel:
        """This model for a pipeline whose subtasks use these strategies where a choice names none.

        Called by Task, which knows them. Itself where it looks at no strategy.
        """
        return self

    def total(self, space: SearchSpace, allocation: Mapping[str, Choice] | Allocation) -> float:
        """The sum over the space's subtasks, on one example, in `unit`."""
        return sum(self.subtask(subtask, allocation[subtask.name]) for subtask in space.subtasks)


COSTS: Registry[type[CostModel]] = Registry("cost", "agenttts.costs")


def within_budget(total: float, budget: float) -> bool:
    """Whether a total fits a budget, up to the rounding of the sum."""
    return total <= budget + BUDGET_TOLERANCE * max(1.0, abs(budget))
