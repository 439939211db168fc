"""Subtasks that list strategies and temperatures, and the choices that hold one of each."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.drawn_problems import spaces
from tools.errors import InvalidAllocation, InvalidInput
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask, Variant

SMALL, LARGE = Model("3b", 3e9), Model("70b", 70e9)
QA = Subtask(
    "qa",
    [LARGE, SMALL],
    prompt_tokens=1024,
    generation_tokens=64,
    strategies=["majority", "fusion"],
    temperatures=[0.7, 0],
)
FIRST = Subtask("first", [LARGE, SMALL], prompt_tokens=1024, generation_tokens=64)
SPACE = SearchSpace([FIRST, QA], 10)
PLAIN = Choice("3b", 1)


def test_a_choice_reads_as_before_where_nothing_is_listed() -> None:
    assert repr(PLAIN) == "Choice(model='3b', samples=1)"
    assert str(PLAIN) == "3b x 1"
    assert PLAIN.to_dict() == {"model": "3b", "samples": 1}
    assert repr(SearchSpace([FIRST], 10)) == "SearchSpace(first (2 models); 10 sample counts)"


def test_a_choice_says_what_is_listed() -> None:
    choice = Choice("qwen-7b", 4, "majority", 0.7)
    assert str(choice) == "qwen-7b x 4 majority t=0.7"
    assert repr(choice) == "Choice(model='qwen-7b', samples=4, strategy='majority', temperature=0.7)"
    assert str(Choice("m", 2, None, 0.0)) == "m x 2 t=0"
    assert choice.variant == Variant("qwen-7b", "majority", 0.7)
    assert str(choice.variant) == "qwen-7b majority t=0.7"
    assert choice.variant.choice(4) == choice
    assert repr(SPACE) == (
        "SearchSpace(first (2 models), qa (2 models, 2 strategies, 2 temperatures); 10 sample counts)"
    )


def test_choices_are_ordered_and_none_comes_first() -> None:
    rising = [
        PLAIN,
        Choice("3b", 1, None, 0.0),
        Choice("3b", 1, "fusion"),
        Choice("3b", 1, "fusion", 0.2),
        Choice("3b", 1, "majority"),
        Choice("3b", 2),
        Choice("70b", 1),
    ]
    falling = rising[::-1]
    assert sorted(falling) == rising
    assert max(rising) == rising[-1]
    assert rising[0] <= rising[0] < rising[1]
    with pytest.raises(TypeError):
        assert PLAIN < ("3b", 1)


def test_variants_go_by_size_and_then_as_listed() -> None:
    assert QA.variants == tuple(
        Variant(model, strategy, temperature)
        for model in ("3b", "70b")
        for strategy in ("majority", "fusion")
        for temperature in (0.7, 0.0)
    )
    assert FIRST.variants == (Variant("3b"), Variant("70b"))
    assert QA.usual(LARGE) == Variant("70b", "majority", 0.7)
    assert QA.candidates == {
        "model": ("3b", "70b"),
        "strategy": ("majority", "fusion"),
        "temperature": (0.7, 0.0),
    }
    assert list(FIRST.candidates) == ["model"]


@given(spaces())
def test_every_choice_is_counted_and_comes_back_from_its_plain_values(space: SearchSpace) -> None:
    every = list(space.allocations(math.inf, FlopsCost()))
    assert (
        len(every) == len(set(every)) == math.prod(len(s.variants) * len(space.sample_counts) for s in space.subtasks)
    )
    for allocation in every:
        plain = json.loads(json.dumps(allocation.to_dict()))
        assert space.parse(plain) == Allocation.from_dict(plain) == space.validate(allocation) == allocation
        assert hash(space.parse(plain)) == hash(allocation)
        for name, choice in allocation.items():
            assert set(plain[name]) == {"samples", *space[name].candidates}
            assert choice.variant in space[name].variants


def qa(**parts: Any) -> dict[str, Any]:
    good = {"model": "3b", "samples": 1, "strategy": "fusion", "temperature": 0.7}
    return {"first": {"model": "3b", "samples": 1}, "qa": {k: v for k, v in (good | parts).items() if v != "left out"}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (qa(strategy="left out"), "qa.strategy: is missing; use one of: majority, fusion"),
        (qa(strategy=None), "qa.strategy: is missing; use one of: majority, fusion"),
        (qa(strategy="vote"), "qa.strategy: 'vote' is not a candidate; use one of: majority, fusion"),
        (qa(strategy=["fusion"]), "qa.strategy: ['fusion'] is not a candidate; use one of: majority, fusion"),
        (qa(temperature="left out"), "qa.temperature: is missing; use one of: 0.7, 0.0"),
        (qa(temperature=0.5), "qa.temperature: 0.5 is not a candidate; use one of: 0.7, 0.0"),
        (qa(temperature="0.7"), "qa.temperature: '0.7' is not a candidate; use one of: 0.7, 0.0"),
        (qa(temperature=False), "qa.temperature: False is not a candidate; use one of: 0.7, 0.0"),
        (qa(temperature=math.nan), "qa.temperature: nan is not a candidate; use one of: 0.7, 0.0"),
        (
            qa() | {"first": {"model": "3b", "samples": 1, "strategy": "fusion"}},
            "first.strategy: is not searched here, the task decides; leave it out, got 'fusion'",
        ),
        (
            qa() | {"first": {"model": "3b", "samples": 1, "temperature": 0.7}},
            "first.temperature: is not searched here, the task decides; leave it out, got 0.7",
        ),
    ],
)
def test_the_wrong_field_is_named(values: object, message: str) -> None:
    with pytest.raises(InvalidAllocation) as caught:
        SPACE.parse(values)
    assert str(caught.value) == message


parts = st.sampled_from(["model", "samples", "strategy", "temperature"])
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["3b", "fusion", "0.7"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(parts, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["first", "qa"]), st.dictionaries(parts, anything), max_size=2))
def test_hostile_parts_give_one_kind_of_error(values: object) -> None:
    try:
        allocation = SPACE.parse(values)
    except InvalidAllocation:
        return
    assert allocation["qa"].variant in QA.variants
    assert allocation["first"].variant in FIRST.variants


def test_equal_temperatures_become_one() -> None:
    zero = SPACE.parse(qa(temperature=-0.0))["qa"].temperature
    assert zero is not None
    assert math.copysign(1, zero) == 1
    assert type(SPACE.parse(qa(temperature=0))["qa"].temperature) is float


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({"strategies": "fusion"}, "subtask 's' strategies: must be a list of names, got 'fusion'"),
        ({"strategies": ["fusion", ""]}, "subtask 's' strategies: must be a list of names, got ['fusion', '']"),
        ({"strategies": ["fusion", "fusion"]}, "subtask 's' strategies: lists one twice: fusion, fusion"),
        ({"strategies": None}, "subtask 's' strategies: must be a list of names, got None"),
        ({"temperatures": 0.7}, "subtask 's' temperatures: must be a list of numbers of zero or more, got 0.7"),
        ({"temperatures": [-1]}, "subtask 's' temperatures: must be a list of numbers of zero or more, got [-1]"),
        ({"temperatures": [0, -0.0]}, "subtask 's' temperatures: lists one twice: 0.0, 0.0"),
    ],
)
def test_an_unusable_list_is_refused_in_one_line(listed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Subtask("s", [SMALL], prompt_tokens=1, generation_tokens=1, **listed)
    assert str(caught.value) == message


def test_the_default_budget_is_that_of_the_usual_variants() -> None:
    class Doubling(FlopsCost):
        def subtask(self, subtask: Subtask, choice: Choice) -> float:
            return super().subtask(subtask, choice) * (2 if choice.strategy == "fusion" else 1)

    alone = SearchSpace([Subtask("qa", [LARGE, SMALL], prompt_tokens=1024, generation_tokens=64)], 10)
    listing = SearchSpace([QA], 10)
    assert listing.default_budget(Doubling()) == alone.default_budget(FlopsCost())
