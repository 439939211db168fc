"""Properties that the calculus of allocations has on any space, cost model and budget."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.drawn_problems import costs, parameters, problems, spaces
from tools.cost import BUDGET_TOLERANCE, CostModel, within_budget
from tools.counting import count_within
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask

Drawn = tuple[SearchSpace, CostModel, float]


@given(problems())
def test_enumeration_holds_every_feasible_allocation_and_no_other(problem: Drawn) -> None:
    space, cost, budget = problem
    names = [subtask.name for subtask in space.subtasks]
    menus = [list(space.choices(subtask)) for subtask in space.subtasks]
    every = [Allocation(dict(zip(names, choices, strict=True))) for choices in product(*menus)]
    expected = [allocation for allocation in every if space.feasible(allocation, budget, cost)]
    assert list(space.allocations(budget, cost)) == expected
    assert space.count(budget, cost) == len(expected) > 0
    assert space.count(math.inf, cost) == len(every)


@given(problems())
def test_the_cheapest_allocation_is_feasible_wherever_one_is(problem: Drawn) -> None:
    space, cost, budget = problem
    cheapest = cost.total(space, space.cheapest(cost))
    assert within_budget(cheapest, budget)
    assert all(within_budget(cheapest, cost.total(space, a)) for a in space.allocations(budget, cost))


@given(spaces(), costs)
def test_a_cost_rises_with_samples_and_the_default_budget_fits(space: SearchSpace, cost: CostModel) -> None:
    for subtask in space.subtasks:
        for variant in subtask.variants:
            values = [cost.subtask(subtask, variant.choice(count)) for count in space.sample_counts]
            assert values == sorted(values)
    largest = Allocation({s.name: s.usual(s.largest).choice(space.sample_counts[0]) for s in space.subtasks})
    assert space.feasible(largest, space.default_budget(cost), cost)


@given(parameters, st.integers(1, 4096), st.integers(1, 512), st.integers(1, 1000), st.integers(1, 1000))
def test_theorem_1_is_linear_in_samples(size: float, prompt: int, generation: int, first: int, second: int) -> None:
    subtask = Subtask("s", [Model("m", size)], prompt_tokens=prompt, generation_tokens=generation)

    def at(samples: int) -> float:
        return FlopsCost().subtask(subtask, Choice("m", samples))

    slope = 2 * size * generation / (2 * 3e9 * 64)  # FLOPs of one more decoding, in decodings of the base
    assert at(second) - at(first) == pytest.approx((second - first) * slope, rel=1e-9, abs=1e-6)
    assert at(first) == pytest.approx(2 * size * prompt / (2 * 3e9 * 64) + first * slope - 128 / 64, rel=1e-9, abs=1e-6)


def chatdev_costs() -> tuple[list[list[float]], float]:
    """Each ChatDev stage's costs from zero samples up, with no bound but the budget (AgentTTS, A.1)."""

    def cost(size: float, generation: int, samples: int) -> float:
        return 2 * (((size / 3e9) * (1024 / 128) / (1024 / generation)) * (1024 / generation + samples) - 1)

    generations = (1024, 512, 256)
    budget = sum(cost(70e9, generation, 1) for generation in generations)
    lists = []
    for generation in generations:
        rows = ([cost(size, generation, samples) for samples in range(2000)] for size in (3e9, 70e9))
        lists.append([value for row in rows for value in row if value <= budget + 1])
    return lists, budget


def test_the_papers_count_of_the_three_stage_space() -> None:
    lists, budget = chatdev_costs()
    first, second, third = (np.asarray(values) for values in lists)
    # As the paper counts: sums in pipeline order, compared without slack for their rounding.
    papers = sum(int((((one + second)[:, None] + third) <= budget).sum()) for one in first)
    assert papers == 1_854_841
    # Exactly, in whole thirds of a unit: 632 sums equal the budget, and rounding loses the paper 627 of them.
    whole = [np.rint(3 * values).astype(np.int64) for values in (first, second, third)]
    sums = [(one + whole[1])[:, None] + whole[2] for one in whole[0]]
    limit = round(3 * budget)
    assert sum(int((total == limit).sum()) for total in sums) == 632
    assert sum(int((total <= limit).sum()) for total in sums) == papers + 627
    most = np.array([budget * (1 + BUDGET_TOLERANCE)])
    assert count_within([np.asarray(values) for values in lists], most) == papers + 627
