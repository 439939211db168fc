"""Where a search is compared: a problem that gives scores to searchers and the truth to the judge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from agent.comparison.budgets import budget_value
from environment.simulation import Optimum
from environment.task import Task
from environment.trial_runner import Outcome
from tools.space import Allocation

Scorer = Callable[[Allocation], Outcome]
"""Scores allocations on the search examples and counts the generations of one run from zero."""

SIMULATED, RECORDED = "simulated", "recorded"


class Arena(ABC):
    """One problem: a task with its cost, shared by all searchers and, one after the other, by runs.

    A searcher sees what a scorer gives and no more. `true_score`, `held_out_score` and `oracle`
    judge it. Deterministic: equal allocations score equally in every run and process.
    """

    source: str
    """SIMULATED or RECORDED; every output says it."""
    truth: str
    """What `true_score` is, in words."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._oracles: dict[float, Optimum] = {}

    @abstractmethod
    def scorer(self, budget: float) -> Scorer:
        """A scorer for one run within the budget; it raises BudgetExceeded beyond it."""

    @abstractmethod
    def true_score(self, allocation: Allocation) -> float:
        """How good a valid allocation truly is."""

    @abstractmethod
    def held_out_score(self, allocation: Allocation) -> float:
        """The mean score of a valid allocation on the held-out examples."""

    def oracle(self, budget: float) -> Optimum:
        """The truly best allocation within a budget. Raises InvalidInput when nothing fits."""
        if budget not in self._oracles:
            self._oracles[budget] = self._find_oracle(budget)
        return self._oracles[budget]

    def budget(self, wanted: float | str) -> float:
        """A budget of the plan, a number or a word, in the unit of the cost."""
        return budget_value(self.task, wanted)

    @abstractmethod
    def _find_oracle(self, budget: float) -> Optimum: ...
