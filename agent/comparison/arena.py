"""Where a search is compared: a problem that gives scores to searchers and the truth to the judge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from inspect import signature
from typing import cast

from agent.comparison.budgets import budget_value
from agent.comparison.plan import Plan, TaskEntry
from agent.pricing import priced
from environment.simulated.executor import SimulatedExample, SimulatedExecutor
from environment.simulation import Optimum, Simulation
from environment.task import HELD_OUT, TASKS, Task, load_task
from environment.trial_runner import Outcome
from tools.errors import InvalidInput
from tools.registry import check_options
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


class SimulatedArena(Arena):
    """A draw of a simulated family; the truth is its exact expectation over all examples there could be."""

    source = SIMULATED
    truth = "the exact expected score of the simulated surface"

    def __init__(self, task: Task, simulation: Simulation) -> None:
        super().__init__(task)
        self._simulation = simulation

    def scorer(self, budget: float) -> Scorer:
        executor = SimulatedExecutor(self.task, budget)
        examples = cast(Sequence[SimulatedExample], self.task.search_examples)
        return lambda allocation: executor.evaluate(allocation, examples)

    def true_score(self, allocation: Allocation) -> float:
        return list(self._simulation.expected(allocation).values())[-1]

    def held_out_score(self, allocation: Allocation) -> float:
        return list(self._simulation.scores(allocation, HELD_OUT).values())[-1].mean

    def _find_oracle(self, budget: float) -> Optimum:
        return self._simulation.oracle(budget, self.task.cost)


def draw_of(entry: TaskEntry, seed: int) -> int | None:
    """The draw of a task that stands for a seed; None where the task is the same for all seeds.

    An explicit `draw` among the entry's options stays, and then the seeds vary the searcher alone.
    Raises UnknownName, InvalidInput for an option that the task does not take.
    """
    factory = TASKS.get(entry.name)
    check_options(f"task {entry.name!r}", factory, entry.options)
    return seed if "draw" in signature(factory).parameters and "draw" not in entry.options else None


def open_arena(plan: Plan, position: int, draw: int | None) -> Arena:
    """The arena of one of the plan's tasks, in its draw where `draw_of` gives one.

    Raises UnknownName, InvalidInput for an option or for a task that would run live models.
    """
    entry = plan.tasks[position]
    options = dict(entry.options) | ({} if draw is None else {"draw": draw})
    task = load_task(entry.name, **options)
    if plan.cost:
        task = priced(task, plan.cost, plan.cost_settings)
    if task.simulation is not None:
        return SimulatedArena(task, task.simulation)
    if task.recorded_from:
        from agent.comparison.recorded_arena import RecordedArena

        return RecordedArena(task)
    raise InvalidInput(
        "tasks",
        f"{entry.name!r} runs live models, whose true scores are unknown; "
        "compare on a simulated or a recorded task (`agenttts tasks` lists them)",
    )
