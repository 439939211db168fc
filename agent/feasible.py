"""Allocations that fit the budget by construction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice

import numpy as np

from agent.searcher import Problem
from tools.cost import BUDGET_TOLERANCE, within_budget
from tools.space import Allocation, Choice, Subtask, Variant

Menu = dict[Variant, tuple[int, ...]]
"""The sample counts that fit, rising, by variant in the order of `Subtask.variants`; never empty tuples."""

DRAWS = 20
"""Random draws that may repeat before what is left is enumerated."""


class FeasibleSpace:
    """What fits a problem's budget: menus for one subtask, whole allocations, what is untried.

    Stage by stage a variant is chosen among those that leave room for the cheapest choice of every
    later stage, then a sample count among those that still fit. Nothing is rejected or penalised,
    and every feasible allocation can be reached. Costs may be negative; they must not fall when
    only the samples rise (CostModel). The budget must fit some allocation, as Search makes sure.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._counts = problem.space.sample_counts
        self._limit = problem.budget + BUDGET_TOLERANCE * max(1.0, abs(problem.budget))
        self._costs = {
            s.name: {v: [problem.cost.subtask(s, v.choice(count)) for count in self._counts] for v in s.variants}
            for s in problem.space.subtasks
        }
        self._floors = {name: min(min(costs) for costs in variants.values()) for name, variants in self._costs.items()}

    def menu(self, subtask: Subtask, chosen: Mapping[str, Choice]) -> Menu:
        """What fits a subtask beside the choices of others; subtasks without one cost their cheapest."""
        spent = 0.0
        for name, floor in self._floors.items():
            if name != subtask.name:
                spent += self.cost(name, chosen[name]) if name in chosen else floor
        room = self._limit - spent
        fitting = {v: int(np.searchsorted(costs, room, "right")) for v, costs in self._costs[subtask.name].items()}
        return {variant: self._counts[:number] for variant, number in fitting.items() if number}

    def build(self, pick: Callable[[Subtask, Menu], Choice], fixed: Mapping[str, Choice] | None = None) -> Allocation:
        """An allocation put together in pipeline order; `pick` chooses from each subtask's menu.

        Subtasks in `fixed` keep their choice, which must leave room for the others' cheapest.
        """
        chosen = dict(fixed or {})
        for subtask in self.problem.space.subtasks:
            if subtask.name in chosen:
                continue
            # Rounding may close the last gap when the budget is exactly the cheapest total.
            menu = self.menu(subtask, chosen) or self._cheapest(subtask)
            chosen[subtask.name] = pick(subtask, menu)
        return self.problem.space.validate(chosen)

    def random(self, rng: np.random.Generator) -> Allocation:
        """Per stage a variant, then a sample count log-uniform among those that fit."""

        def pick(_: Subtask, menu: Menu) -> Choice:
            variant = list(menu)[int(rng.integers(len(menu)))]
            return variant.choice(menu[variant][log_index(float(rng.random()), menu[variant])])

        return self.build(pick)

    def untried(self, tried: Collection[Allocation], rng: np.random.Generator) -> Allocation | None:
        """A random feasible allocation that was not tried; None when all of them were.

        `tried` holds distinct feasible allocations.
        """
        for _ in range(DRAWS):
            allocation = self.random(rng)
            if allocation not in tried:
                return allocation
        # Among one more than the tried ones, one is new if there is any: no need to see them all.
        every = self.problem.space.allocations(self.problem.budget, self.problem.cost)
        left = [allocation for allocation in islice(every, len(tried) + DRAWS) if allocation not in tried]
        return left[int(rng.integers(len(left)))] if left else None

    def cost(self, subtask: str, choice: Choice) -> float:
        """The cost of a choice, from the table."""
        return self._costs[subtask][choice.variant][self._counts.index(choice.samples)]

    def total(self, allocation: Mapping[str, Choice]) -> float:
        """The cost of an allocation, in the cost model's unit."""
        return sum(self.cost(name, choice) for name, choice in allocation.items())

    def fits(self, allocation: Mapping[str, Choice]) -> bool:
        """Whether a valid allocation is within the budget."""
        return within_budget(self.total(allocation), self.problem.budget)

    def _cheapest(self, subtask: Subtask) -> Menu:
        variant = min(self._costs[subtask.name], key=lambda variant: self._costs[subtask.name][variant][0])
        return {variant: self._counts[:1]}


def usual(menu: Menu) -> dict[str, Variant]:
    """The first variant of every model on a menu, by model: what stands for the model where models are compared."""
    first: dict[str, Variant] = {}
    for variant in menu:
        first.setdefault(variant.model, variant)
    return first


def log_index(position: float, counts: Sequence[int]) -> int:
    """The index of the count that owns a position in [0, 1] on the log scale of the counts.

    Every count owns the interval up to the middle of its neighbours, so that each can be reached.
    """
    edges = _log_edges(counts)
    return min(int(np.searchsorted(edges, position, side="right")), len(counts) - 1)


def log_position(index: int, counts: Sequence[int]) -> float:
    """The middle of the interval that the count at `index` owns: the inverse of `log_index`."""
    edges = [0.0, *_log_edges(counts), 1.0]
    return (edges[index] + edges[index + 1]) / 2


def _log_edges(counts: Sequence[int]) -> list[float]:
    """The inner borders of the counts' intervals, scaled to (0, 1)."""
    if len(counts) == 1:
        return []
    logs = np.log(np.asarray(counts, dtype=np.float64))
    middles = (logs[1:] + logs[:-1]) / 2
    low, high = 2 * logs[0] - middles[0], 2 * logs[-1] - middles[-1]
    return [float(edge) for edge in (middles - low) / (high - low)]
