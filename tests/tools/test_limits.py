"""A budget with caps: what is feasible, exactly counted and enumerated."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.tools.drawn_problems import capped_problems
from tools import counting
from tools.cost import CostModel, within_budget
from tools.counting import count_within, iterate_within
from tools.errors import BudgetExceeded, InvalidInput
from tools.floors import floors, reachable, undominated
from tools.flops import FlopsCost
from tools.limits import Cap
from tools.price import PriceCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask

Capped = tuple[SearchSpace, CostModel, float, tuple[Cap, ...]]


@given(capped_problems())
def test_enumeration_and_count_hold_what_is_within_every_limit(problem: Capped) -> None:
    space, cost, budget, caps = problem
    names = [subtask.name for subtask in space.subtasks]
    menus = [list(space.choices(subtask)) for subtask in space.subtasks]
    every = [Allocation(dict(zip(names, choices, strict=True))) for choices in product(*menus)]
    expected = [
        a
        for a in every
        if within_budget(cost.total(space, a), budget)
        and all(within_budget(cap.cost.total(space, a), cap.limit) for cap in caps)
    ]
    assert [a for a in every if space.feasible(a, budget, cost, caps)] == expected
    assert list(space.allocations(budget, cost, caps)) == expected
    assert space.count(budget, cost, caps) == len(expected) > 0


ladders = st.integers(1, 3).flatmap(
    lambda columns: st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 4)).flatmap(
            lambda shape: hnp.arrays(np.float64, (*shape, columns), elements=st.integers(-3, 12).map(float))
        ),
        min_size=1,
        max_size=4,
    )
)


@given(ladders, st.lists(st.integers(-5, 40).map(float), min_size=3, max_size=3), st.integers(1, 30))
def test_counting_agrees_with_brute_force_however_it_is_cut(tables: list[Any], limits: list[float], merge: int) -> None:
    tables = [np.sort(table, axis=1) for table in tables]
    most = np.array(limits[: tables[0].shape[2]])
    flat = [table.reshape(-1, len(most)) for table in tables]
    every = product(*(range(len(table)) for table in flat))
    expected = [
        picks for picks in every if (sum(table[pick] for table, pick in zip(flat, picks, strict=True)) <= most).all()
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "MERGE_LIMIT", merge)
        assert count_within(tables, most) == len(expected)
    assert list(iterate_within(flat, most)) == expected


vectors = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.integers(0, 6).map(float)
)


@given(vectors)
def test_the_undominated_vectors_are_those_that_no_other_is_below(rows: Any) -> None:
    kept = undominated(rows)
    below = [[(one <= other).all() and (one < other).any() for one in rows] for other in rows]
    assert {tuple(row) for row in kept} == {tuple(r) for r, under in zip(rows, below, strict=True) if not any(under)}
    assert len({tuple(row) for row in kept}) == len(kept)


@given(
    st.integers(1, 3).flatmap(
        lambda c: st.lists(
            hnp.arrays(np.float64, (4, c), elements=st.integers(0, 6).map(float)), min_size=1, max_size=3
        )
    ),
    st.integers(0, 12),
)
def test_room_suffices_exactly_where_some_pick_fits_in_it(stages: list[Any], room: int) -> None:
    columns = stages[0].shape[1]
    most = np.full(columns, float(room))
    fits = any((sum(picks) <= most).all() for picks in product(*stages))
    assert reachable(np.zeros((1, columns)), floors(stages, columns), most)[0] == fits


def test_the_cheapest_of_each_cost_apart_may_be_no_choice_at_all() -> None:
    # One model is cheap in FLOPs, the other in dollars: no pair meets both limits though each alone fits.
    models = [Model("small", 1e9, 10.0, 10.0), Model("large", 9e9, 1.0, 1.0)]
    space = SearchSpace([Subtask("s", models, prompt_tokens=100, generation_tokens=10)], max_samples=3)
    cost, price = FlopsCost(base_parameters=1e9), PriceCost()
    budget = cost.subtask(space.subtasks[0], Choice("small", 1))
    cap = Cap(price, price.subtask(space.subtasks[0], Choice("large", 1)))
    assert space.count(budget, cost) == 1
    assert space.count(math.inf, cost, [cap]) == 1
    assert space.count(budget, cost, [cap]) == 0
    assert list(space.allocations(budget, cost, [cap])) == []


def test_what_a_cap_refuses_is_named_with_its_numbers() -> None:
    space = SearchSpace([Subtask("s", [Model("m", 3e9, 2.0, 2.0)], prompt_tokens=1000, generation_tokens=500)])
    allocation = Allocation({"s": Choice("m", 9)})
    cap = Cap(PriceCost(), 0.01)
    message = "cap price: the allocation costs 0.011 dollars, the cap is 0.01 dollars"
    with pytest.raises(BudgetExceeded, match=message):
        space.require_feasible(allocation, math.inf, FlopsCost(), [cap])
    assert space.require_feasible(allocation, math.inf, FlopsCost()) == FlopsCost().total(space, allocation)


@pytest.mark.parametrize("limit", [True, "1", None, float("nan")])
def test_a_cap_is_a_number(limit: Any) -> None:
    with pytest.raises(InvalidInput, match="cap price: must be a number"):
        Cap(PriceCost(), limit)


def test_two_ways_of_counting_agree_on_millions() -> None:
    models = [Model(f"{size}b", size * 1e9, 1.0 / size, 2.0) for size in (1, 8, 70)]
    stages = [Subtask(f"s{i}", models, prompt_tokens=1024, generation_tokens=128 * i) for i in (1, 2, 3)]
    space, cost, price = SearchSpace(stages, max_samples=100), FlopsCost(), PriceCost()
    budget = space.default_budget(cost)
    uncapped = space.count(budget, cost)
    assert uncapped > 1_000_000
    assert space.count(budget, cost, [Cap(price, math.inf)]) == uncapped
    tight = Cap(price, price.total(space, space.cheapest(price)) * 3)
    assert 0 < space.count(budget, cost, [tight]) < space.count(math.inf, price, [Cap(cost, budget)]) == uncapped
