"""A budget and the caps beside it as one: what an allocation may cost at most, in every cost that counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tools.cost import BUDGET_TOLERANCE, CostModel, within_budget
from tools.declared import names_misfits
from tools.errors import BudgetExceeded, InvalidInput
from tools.text import shortened
from tools.validation import is_number, require_instance, require_instances

if TYPE_CHECKING:
    from tools.space import Allocation, Choice, SearchSpace, Subtask

Array = npt.NDArray[np.float64]


@names_misfits
@dataclass(frozen=True, slots=True)
class Cap:
    """A limit on a further cost of an allocation, in that cost's unit, beside the budget on the main one."""

    cost: CostModel
    limit: float

    def __post_init__(self) -> None:
        require_instance("cap cost", self.cost, CostModel)
        if not is_number(self.limit):
            raise InvalidInput(f"cap {self.cost.name}", f"must be a number, got {shortened(self.limit)}")

    @property
    def field(self) -> str:
        """What messages call it."""
        return f"cap {self.cost.name}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Which costs an allocation has, the main one first, and what each may be at most.

    An allocation is feasible where none of its costs exceeds its limit, up to rounding.
    """

    budget: float
    cost: CostModel
    caps: Sequence[Cap] = ()

    def __post_init__(self) -> None:
        if not is_number(self.budget):
            raise InvalidInput("budget", f"must be a number, got {shortened(self.budget)}")
        require_instance("cost", self.cost, CostModel)
        require_instances("caps", self.caps, Cap)

    @property
    def costs(self) -> tuple[CostModel, ...]:
        """The main cost, then those of the caps."""
        return (self.cost, *(cap.cost for cap in self.caps))

    @property
    def most(self) -> Array:
        """The limit of each cost, with the slack that absorbs the rounding of sums."""
        limits = np.array([self.budget, *(cap.limit for cap in self.caps)], dtype=np.float64)
        most: Array = limits + BUDGET_TOLERANCE * np.maximum(1.0, np.abs(limits))
        return most

    def table(self, subtask: Subtask, choices: Iterable[Choice]) -> Array:
        """One row a choice, one column a cost."""
        rows = [[cost.subtask(subtask, choice) for cost in self.costs] for choice in choices]
        return np.array(rows, dtype=np.float64)

    def allow(self, space: SearchSpace, allocation: Mapping[str, Choice] | Allocation) -> bool:
        """Whether a valid allocation is feasible."""
        return within_budget(self.cost.total(space, allocation), self.budget) and all(
            within_budget(cap.cost.total(space, allocation), cap.limit) for cap in self.caps
        )

    def require(self, space: SearchSpace, allocation: Mapping[str, Choice] | Allocation) -> float:
        """The main cost of a valid allocation. Raises BudgetExceeded naming the first limit it exceeds."""
        total = self.cost.total(space, allocation)
        if not within_budget(total, self.budget):
            raise BudgetExceeded(total, self.budget, self.cost.unit)
        for cap in self.caps:
            further = cap.cost.total(space, allocation)
            if not within_budget(further, cap.limit):
                raise BudgetExceeded(further, cap.limit, cap.cost.unit, field=cap.field)
        return total
