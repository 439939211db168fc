"""The front and its hypervolume, against their definitions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.errors import InvalidInput
from tools.front import front, hypervolume

points = st.lists(st.tuples(st.integers(1, 20).map(float), st.integers(0, 10).map(lambda s: s / 10)), max_size=12)


def cost(point: tuple[float, float]) -> float:
    return point[0]


def score(point: tuple[float, float]) -> float:
    return point[1]


def buys(drawn: list[tuple[float, float]], budget: float) -> float:
    return max((s for c, s in drawn if c <= budget), default=0.0)


@given(points)
def test_the_front_is_what_no_other_point_dominates(drawn: list[tuple[float, float]]) -> None:
    found = front(drawn, cost, score)
    for point in drawn:
        dominated = any(c <= point[0] and s >= point[1] and (c, s) != point for c, s in drawn)
        assert (point in found) == (not dominated)
    assert [cost(p) for p in found] == sorted({cost(p) for p in found})
    assert [score(p) for p in found] == sorted({score(p) for p in found})


@given(points, st.floats(0, 0.5))
def test_a_step_of_the_front_is_higher_than_the_tie(drawn: list[tuple[float, float]], tie: float) -> None:
    found = front(drawn, cost, score, tie)
    assert all(high[1] > low[1] + tie for low, high in pairwise(found))
    assert bool(found) == bool(drawn)


@given(points, st.integers(1, 10), st.integers(1, 15))
def test_the_hypervolume_is_the_mean_score_that_a_budget_buys(
    drawn: list[tuple[float, float]], least: int, width: int
) -> None:
    most = least + width
    whole = [buys(drawn, budget) for budget in range(least, most)]  # costs are whole, so steps are too
    assert hypervolume(drawn, least, most) == pytest.approx(float(np.mean(whole)))
    weights = [math.log((budget + 1) / budget) for budget in range(least, most)]
    assert hypervolume(drawn, least, most, log=True) == pytest.approx(float(np.average(whole, weights=weights)))


@pytest.mark.parametrize(("least", "most", "log"), [(1.0, 1.0, False), (2.0, 1.0, False), (0.0, 1.0, True)])
def test_an_empty_interval_is_refused(least: float, most: float, log: bool) -> None:
    with pytest.raises(InvalidInput, match="least"):
        hypervolume([], least, most, log=log)
