"""The expected score of every allocation, exactly, and the best allocation within a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from environment.simulated.curve import Curve
from environment.simulation import Optimum
from tools.cost import BUDGET_TOLERANCE, CostModel
from tools.errors import InvalidInput
from tools.space import Allocation, Choice, SearchSpace

Array = npt.NDArray[np.float64]


class Surface:
    """The truth of one draw: each stage's expected score, a function of its choice and its upstream.

    A stage's upstream is the expected score of the stage before; its shortfall is what that lacks
    to the best score the earlier stage can have.
    """

    def __init__(self, space: SearchSpace, curves: Sequence[Mapping[str, Curve]]) -> None:
        self.space = space
        self.curves = tuple(curves)
        self._references = [max(curve.top for curve in stage.values()) for stage in self.curves]

    def expected(self, allocation: Allocation) -> dict[str, float]:
        """Each subtask's expected score over the population of examples."""
        scores: dict[str, float] = {}
        upstream: float | None = None
        for position, (name, choice) in enumerate(allocation.items()):
            shortfall = 0.0 if upstream is None else self.shortfall(position, upstream)
            upstream = float(self.curves[position][choice.model].score(choice.samples, shortfall))
            scores[name] = upstream
        return scores

    def shortfall(self, position: int, upstream: Any) -> Any:
        """What an upstream score lacks to the best that the stage before `position` can have."""
        return np.maximum(0.0, self._references[position - 1] - np.asarray(upstream))

    def oracle(self, budget: float, cost: CostModel, *, among: Mapping[str, str] | None = None) -> Optimum:
        """The best allocation within a budget, by exact enumeration; at most a second for 8 million.

        `among` fixes the model of some subtasks. Raises InvalidInput when nothing fits.
        """
        menus = [self._menu(position, cost, among or {}) for position in range(len(self.curves))]
        # All but the last stage are laid out as one list; the last one's choices then pass one by
        # one, since a score depends on earlier stages by their last score alone.
        scores, costs = np.zeros(1), np.zeros(1)
        for position, menu in enumerate(menus[:-1]):
            scores = np.stack([self._score(position, choice, scores) for choice, _ in menu], axis=1).ravel()
            costs = np.add.outer(costs, [price for _, price in menu]).ravel()
        limit = budget + BUDGET_TOLERANCE * max(1.0, abs(budget))
        best: tuple[float, float] = (-np.inf, 0.0)
        place = (0, 0)
        for index, (choice, price) in enumerate(menus[-1]):
            fitting = np.flatnonzero(costs + price <= limit)
            if not fitting.size:
                continue
            values = np.round(self._score(len(menus) - 1, choice, scores[fitting]), 12)
            top = np.flatnonzero(values == values.max())
            earlier = int(fitting[top[np.argmin(costs[fitting[top]])]])
            candidate = (float(values.max()), -float(costs[earlier] + price))
            if candidate > best:
                best, place = candidate, (earlier, index)
        if best[0] == -np.inf:
            raise InvalidInput("budget", f"{budget:,.6g} {cost.unit} fits no allocation")
        earlier_picks = np.unravel_index(place[0], [len(menu) for menu in menus[:-1]])
        picks = [*map(int, earlier_picks), place[1]]
        names = [subtask.name for subtask in self.space.subtasks]
        chosen = {name: menu[pick][0] for name, menu, pick in zip(names, menus, picks, strict=True)}
        allocation = Allocation(chosen)
        score = list(self.expected(allocation).values())[-1]
        return Optimum(allocation, score, cost.total(self.space, allocation))

    def _score(self, position: int, choice: Choice, upstream: Array) -> Array:
        shortfall = self.shortfall(position, upstream) if position else np.zeros_like(upstream)
        scores: Array = self.curves[position][choice.model].score(choice.samples, shortfall)
        return scores

    def _menu(self, position: int, cost: CostModel, among: Mapping[str, str]) -> list[tuple[Choice, float]]:
        subtask = self.space.subtasks[position]
        wanted = among.get(subtask.name)
        choices = [c for c in self.space.choices(subtask) if wanted is None or c.model == wanted]
        return [(choice, cost.subtask(subtask, choice)) for choice in choices]
