from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.counting import count_within, iterate_within
from tools.errors import BudgetExceeded, InvalidAllocation, InvalidInput
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask

COST = FlopsCost()
SMALL, LARGE = Model("3b", 3e9), Model("70b", 70e9)


def chatdev(max_samples: int = 100) -> SearchSpace:
    lengths = {"coding": 1024, "static": 512, "dynamic": 256}
    return SearchSpace(
        [Subtask(n, [SMALL, LARGE], prompt_tokens=1024, generation_tokens=d) for n, d in lengths.items()], max_samples
    )


def test_the_three_stage_space_is_counted_exactly_and_fast() -> None:
    space = chatdev()
    count = space.count(space.default_budget(COST), COST)
    assert count == 759_511


costs = st.lists(st.lists(st.integers(-5, 40).map(float), min_size=1, max_size=6), min_size=1, max_size=4)


@given(costs, st.integers(-10, 120).map(float))
def test_counting_and_enumeration_agree_with_brute_force(lists: list[list[float]], budget: float) -> None:
    expected = [
        picks
        for picks in product(*(range(len(values)) for values in lists))
        if sum(values[pick] for values, pick in zip(lists, picks, strict=True)) <= budget
    ]
    tables, most = [np.array([values]).T for values in lists], np.array([budget])
    assert count_within(tables, most) == len(expected)
    assert list(iterate_within(tables, most)) == expected


@settings(max_examples=30)
@given(st.floats(0, 3000), st.floats(0, 3000))
def test_a_larger_budget_never_fits_fewer(first: float, second: float) -> None:
    space = chatdev(12)
    low, high = sorted((first, second))
    assert space.count(low, COST) <= space.count(high, COST)


def test_every_enumerated_allocation_is_feasible() -> None:
    space = chatdev(3)
    budget = space.default_budget(COST)
    found = list(space.allocations(budget, COST))
    assert len(found) == len(set(found)) == space.count(budget, COST)
    assert all(space.feasible(allocation, budget, COST) for allocation in found)


def test_enumeration_is_lazy() -> None:
    assert len(next(iter(chatdev(100).allocations(math.inf, COST)))) == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["coding", "static", "dynamic", "model", "samples", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_parse_answers_hostile_values_with_one_kind_of_error(value: object) -> None:
    try:
        allocation = chatdev().parse(value)
    except InvalidAllocation:
        return
    assert chatdev().validate(allocation) == allocation


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (Choice("8b", 1), "coding.model"),
        (Choice("3b", 0), "coding.samples"),
        (Choice("3b", 101), "coding.samples"),
        (Choice("3b", True), "coding.samples"),
    ],
)
def test_validate_names_the_wrong_field(choice: Choice, field: str) -> None:
    with pytest.raises(InvalidAllocation, match=field):
        chatdev().validate({"coding": choice, "static": Choice("3b", 1), "dynamic": Choice("3b", 1)})


def test_over_budget_is_rejected_with_the_numbers() -> None:
    space = chatdev()
    allocation = Allocation({s.name: Choice("70b", 2) for s in space.subtasks})
    with pytest.raises(BudgetExceeded) as caught:
        space.require_feasible(allocation, 100, COST)
    assert caught.value.cost == pytest.approx(COST.total(space, allocation))
    assert "100" in str(caught.value)


def test_an_allocation_is_a_value() -> None:
    allocation = Allocation({"a": Choice("m", 1), "b": Choice("m", 2)})
    assert Allocation.from_dict(allocation.to_dict()) == allocation
    assert hash(Allocation.from_dict(allocation.to_dict())) == hash(allocation)
    changed = allocation.replace("b", Choice("m", 3))
    assert changed != allocation
    assert changed["b"].samples == 3


def test_sample_counts_restrict_the_space() -> None:
    subtask = Subtask("s", [SMALL], prompt_tokens=1, generation_tokens=1)
    space = SearchSpace([subtask], sample_counts=[8, 1, 2, 8])
    assert space.sample_counts == (1, 2, 8)
    assert space.max_samples == 8
    with pytest.raises(InvalidAllocation, match="one of 1, 2, 8"):
        space.validate({"s": Choice("3b", 3)})


def test_a_space_refuses_what_makes_no_sense() -> None:
    with pytest.raises(InvalidInput, match="at least one subtask"):
        SearchSpace([])
    with pytest.raises(InvalidInput, match="max_samples"):
        SearchSpace([Subtask("s", [SMALL], prompt_tokens=1, generation_tokens=1)], 0)
    with pytest.raises(InvalidInput, match="twice"):
        Subtask("s", [SMALL, SMALL], prompt_tokens=1, generation_tokens=1)
    with pytest.raises(InvalidInput, match="parameters"):
        Model("m", 0)
