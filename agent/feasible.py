"""Allocations that fit the budget by construction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from agent.searcher import Problem
from tools.cost import within_budget
from tools.space import Allocation, Choice, Subtask


def cheapest_cost(problem: Problem, subtask: Subtask) -> float:
    """The cost of a subtask's cheapest choice."""
    return min(problem.cost.subtask(subtask, choice) for choice in problem.space.choices(subtask))


def affordable_counts(problem: Problem, subtask: Subtask, model: str, room: float) -> list[int]:
    """The sample counts of a model that cost at most `room`, rising."""
    counts: list[int] = []
    for count in problem.space.sample_counts:
        if not within_budget(problem.cost.subtask(subtask, Choice(model, count)), room):
            break
        counts.append(count)
    return counts


def build_feasible(problem: Problem, pick: Callable[[Subtask, dict[str, list[int]]], Choice]) -> Allocation:
    """An allocation put together stage by stage, each within what the later ones leave.

    `pick` gets a subtask and its affordable sample counts by model (models that fit none are left
    out) and answers with one of these choices. The problem's budget must fit some allocation.
    """
    subtasks = problem.space.subtasks
    floors = [cheapest_cost(problem, subtask) for subtask in subtasks]
    left = problem.budget
    chosen: dict[str, Choice] = {}
    for position, subtask in enumerate(subtasks):
        room = left - sum(floors[position + 1 :])
        menu = {m.name: affordable_counts(problem, subtask, m.name, room) for m in subtask.by_size}
        choice = pick(subtask, {name: counts for name, counts in menu.items() if counts})
        left -= problem.cost.subtask(subtask, choice)
        chosen[subtask.name] = choice
    return Allocation(chosen)


def random_allocation(problem: Problem, rng: np.random.Generator) -> Allocation:
    """A feasible allocation: per stage a model, then a sample count log-uniform among those that fit."""

    def pick(_: Subtask, menu: dict[str, list[int]]) -> Choice:
        model = str(rng.choice(sorted(menu)))
        return Choice(model, menu[model][log_index(float(rng.random()), menu[model])])

    return build_feasible(problem, pick)


def log_index(position: float, counts: Sequence[int]) -> int:
    """The index of the count nearest to a position in [0, 1) on the log scale of the counts.

    Every count owns the interval up to the middle of its neighbours, so that each can be reached.
    """
    if len(counts) == 1:
        return 0
    edges = np.log(np.asarray(counts, dtype=np.float64))
    middles = (edges[1:] + edges[:-1]) / 2
    low, high = edges[0] - (middles[0] - edges[0]), edges[-1] + (edges[-1] - middles[-1])
    return int(np.searchsorted(middles, low + position * (high - low), side="right"))
