"""Budgets by word: what low, medium, high and default mean for a task and a cost model."""

from __future__ import annotations

from environment.simulated.problem import SimulatedProblem
from environment.task import Task
from tools.flops import FlopsCost

BUDGET_WORDS = ("low", "medium", "high", "default")
SHARES = {"low": 0.5, "medium": 1.0, "high": 2.0, "default": 1.0}
"""Of the default budget, where a task has no budgets of its own. The paper's low, medium and high
budgets of 2WikiMultiHopQA (500, 900, 2000) are 0.54, 0.97 and 2.15 of its default of 929."""


def budget_value(task: Task, wanted: float | str) -> float:
    """A budget in the unit of the task's cost: a number as it is, a word as the task means it.

    A simulated family's words are its own budgets in FLOPs; under another cost they keep their
    share of the default budget, so that the same sizes of problem are compared.
    """
    if not isinstance(wanted, str):
        return float(wanted)
    default = task.space.default_budget(task.cost)
    simulation = task.simulation
    if wanted == "default" or not isinstance(simulation, SimulatedProblem):
        return SHARES[wanted] * default
    flops = FlopsCost()
    budget = simulation.family.budgets[wanted]
    return budget if task.cost == flops else budget / task.space.default_budget(flops) * default
