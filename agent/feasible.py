"""Allocations that fit the budget and the caps by construction."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from itertools import islice

import numpy as np

from agent.searcher import Problem
from tools.floors import Array, floors
from tools.space import Allocation, Choice, Subtask, Variant

Menu = dict[Variant, tuple[int, ...]]
"""The sample counts that fit, rising, by variant in the order of `Subtask.variants`; never empty tuples."""

MOST_MENUS = 10_000
"""Menus that are kept at once; then all are forgotten, and made again where they are wanted."""
DRAWS = 20
"""Random draws that may repeat before what is left is enumerated."""


class FeasibleSpace:
    """What fits a problem's budget and caps: menus for one subtask, whole allocations, what is untried.

    Stage by stage a variant is chosen among those that leave room for some choice of every later
    stage, in all limited costs at once, then a sample count among those that still fit. Nothing is
    rejected or penalised, no beginning is a dead end, and every feasible allocation can be reached.
    Costs may be negative; they must not fall when only the samples rise (CostModel). The limits must
    fit some allocation, as Search makes sure.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._counts = problem.space.sample_counts
        self._most = problem.limits.most
        rows = problem.cost_table.rows
        self._ladders = {s.name: self._ladder(s, costs) for s, costs in zip(problem.space.subtasks, rows, strict=True)}
        self._floors: dict[frozenset[str], Array] = {}
        self._heads: dict[int, tuple[int, ...]] = {}
        self._menus: dict[tuple[str, frozenset[tuple[str, Choice]]], Menu] = {}

    def menu(self, subtask: Subtask, chosen: Mapping[str, Choice]) -> Menu:
        """What fits a subtask beside the choices of others, so that subtasks without one can still have one.

        The menu is kept for the next call: it must not be changed.
        """
        key = (subtask.name, frozenset((name, choice) for name, choice in chosen.items() if name != subtask.name))
        if (known := self._menus.get(key)) is not None:
            return known
        if len(self._menus) >= MOST_MENUS:
            self._menus.clear()
        menu = self._menus[key] = self._menu(subtask, chosen)
        return menu

    def build(self, pick: Callable[[Subtask, Menu], Choice], fixed: Mapping[str, Choice] | None = None) -> Allocation:
        """An allocation put together in pipeline order; `pick` chooses from each subtask's menu.

        Subtasks in `fixed` keep their choice, which must leave room for some choice of the others.
        """
        chosen = dict(fixed or {})
        for subtask in self.problem.space.subtasks:
            if subtask.name in chosen:
                continue
            # Rounding may close the last gap when a limit is exactly the cheapest total.
            menu = self.menu(subtask, chosen) or self._nearest(subtask, chosen)
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
        every = islice(self.problem.allocations(), len(tried) + DRAWS)
        left = [allocation for allocation in every if allocation not in tried]
        return left[int(rng.integers(len(left)))] if left else None

    def cost(self, subtask: str, choice: Choice) -> float:
        """The main cost of a choice, from the table."""
        return float(self._costs(subtask, choice)[0])

    def total(self, allocation: Mapping[str, Choice]) -> float:
        """The main cost of an allocation, in the cost model's unit."""
        return sum(self.cost(name, choice) for name, choice in allocation.items())

    def fits(self, allocation: Mapping[str, Choice]) -> bool:
        """Whether a valid allocation is within the budget and every cap."""
        total = sum(self._costs(name, choice) for name, choice in allocation.items())
        return bool((total <= self._most).all())

    def _menu(self, subtask: Subtask, chosen: Mapping[str, Choice]) -> Menu:
        room = self._room(subtask, chosen)
        fitting = {variant: _rungs(ladder, room) for variant, ladder in self._ladders[subtask.name].items()}
        return {variant: self._lowest(number) for variant, number in fitting.items() if number}

    def _lowest(self, number: int) -> tuple[int, ...]:
        """The lowest sample counts, as one value for all menus: long ones would fill the memory."""
        return self._heads.setdefault(number, self._counts[:number])

    def _ladder(self, subtask: Subtask, costs: Array) -> dict[Variant, Array]:
        """One row a sample count for every variant, from the rows of a subtask's choices."""
        ladders = costs.reshape(-1, len(self._counts), len(self._most))
        by_variant = dict(zip(subtask.variants_of(subtask.models), ladders, strict=True))
        return {variant: by_variant[variant] for variant in subtask.variants}

    def _costs(self, subtask: str, choice: Choice) -> Array:
        row: Array = self._ladders[subtask][choice.variant][self._counts.index(choice.samples)]
        return row

    def _room(self, subtask: Subtask, chosen: Mapping[str, Choice]) -> Array:
        """What is left for a subtask beside the choices made: one row for each floor of those not made."""
        spent, open_ = np.zeros(len(self._most)), []
        for name in self._ladders:
            if name in chosen and name != subtask.name:
                spent = spent + self._costs(name, chosen[name])
            elif name != subtask.name:
                open_.append(name)
        return self._most - spent - self._floors_of(open_)

    def _floors_of(self, names: Sequence[str]) -> Array:
        key = frozenset(names)
        if key not in self._floors:
            least = [np.array([ladder[0] for ladder in self._ladders[name].values()]) for name in reversed(names)]
            self._floors[key] = floors(least, len(self._most))
        return self._floors[key]

    def _nearest(self, subtask: Subtask, chosen: Mapping[str, Choice]) -> Menu:
        room = self._room(subtask, chosen)
        excess = {v: (ladder[0] - room).max(axis=1).min() for v, ladder in self._ladders[subtask.name].items()}
        return {min(excess, key=excess.__getitem__): self._counts[:1]}


def _rungs(ladder: Array, room: Array) -> int:
    """How many rungs of a ladder fit in a row of the room, in every column."""
    columns = range(room.shape[1])
    return int(np.min([np.searchsorted(ladder[:, c], room[:, c], side="right") for c in columns], axis=0).max())


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
    return min(bisect_right(_log_edges(tuple(counts)), position), len(counts) - 1)


def log_position(index: int, counts: Sequence[int]) -> float:
    """The middle of the interval that the count at `index` owns: the inverse of `log_index`."""
    edges = [0.0, *_log_edges(tuple(counts)), 1.0]
    return (edges[index] + edges[index + 1]) / 2


@lru_cache(maxsize=256)
def _log_edges(counts: tuple[int, ...]) -> tuple[float, ...]:
    """The inner borders of the counts' intervals, scaled to (0, 1)."""
    if len(counts) == 1:
        return ()
    logs = np.log(np.asarray(counts, dtype=np.float64))
    middles = (logs[1:] + logs[:-1]) / 2
    low, high = 2 * logs[0] - middles[0], 2 * logs[-1] - middles[-1]
    return tuple(float(edge) for edge in (middles - low) / (high - low))
