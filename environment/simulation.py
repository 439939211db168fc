"""The contract of a simulation: what answers for a task whose models are never run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tools.cost import CostModel
from tools.space import Allocation
from tools.trial import StageScore


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best allocation within a budget by expected score, the cheapest among equals."""

    allocation: Allocation
    score: float
    cost: float


class Simulation(Protocol):
    """A response surface in place of prompts, models and generations; pure throughout.

    Allocations handed in are valid. A searcher is told `scores` alone; `expected` and `oracle` are
    the truth, for judging a search.
    """

    @property
    def metrics(self) -> Mapping[str, str]:
        """Each subtask's metric, in pipeline order."""

    def scores(self, allocation: Allocation, split: str) -> Mapping[str, StageScore]:
        """Each subtask's score with its value on every example of a split, in their order."""

    def expected(self, allocation: Allocation) -> Mapping[str, float]:
        """Each subtask's score over all examples there could be: the mean of `scores`."""

    def oracle(self, budget: float, cost: CostModel) -> Optimum:
        """The truly best allocation within a budget. Raises InvalidInput when nothing fits."""
