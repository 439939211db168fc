"""The Pareto front of score against cost, and how much of the plane it dominates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from tools.errors import InvalidInput
from tools.text import shortened

T = TypeVar("T")


def front(points: Sequence[T], cost: Callable[[T], float], score: Callable[[T], float], tie: float = 0.0) -> list[T]:
    """The points that no other dominates, the cheapest first; each scores more than `tie` above the one before.

    Of points of one cost the best stays, of equals the first.
    """
    kept: list[T] = []
    for point in sorted(points, key=lambda point: (cost(point), -score(point))):
        if not kept or score(point) > score(kept[-1]) + tie:
            kept.append(point)
    return kept


def hypervolume(points: Sequence[tuple[float, float]], least: float, most: float, *, log: bool = False) -> float:
    """The mean, over budgets from `least` to `most`, of the highest score that a budget buys; 0 where it buys nothing.

    That is the area below the front of the (cost, score) points over the width of the interval: the
    usual hypervolume against the reference point (`most`, 0). With `log` all doublings of the budget
    weigh the same. Raises InvalidInput on an empty interval, or one below zero with `log`.
    """
    if not least < most or (log and least <= 0):
        raise InvalidInput(
            "least",
            f"must be below most{' and above zero' if log else ''}, got {shortened(least)} and {shortened(most)}",
        )
    scale = math.log if log else float
    area = 0.0
    steps = front([point for point in points if point[0] <= most], lambda point: point[0], lambda point: point[1])
    for place, (cost, score) in enumerate(steps):
        end = steps[place + 1][0] if place + 1 < len(steps) else most
        area += score * (scale(max(end, least)) - scale(max(cost, least)))
    return area / (scale(most) - scale(least))
