"""FeasibleSpace: every feasible allocation can be built, and no other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.feasible import FeasibleSpace, Menu, log_index, log_position
from agent.searcher import Problem
from tests.tools.drawn_problems import capped_problems, problems
from tools.cost import CostModel
from tools.limits import Cap
from tools.space import Allocation, Choice, SearchSpace, Subtask

Drawn = tuple[SearchSpace, CostModel, float]
Capped = tuple[SearchSpace, CostModel, float, tuple[Cap, ...]]


def buildable(feasible: FeasibleSpace) -> list[Allocation]:
    """Every allocation that some sequence of picks builds."""
    found: list[Allocation] = []
    waiting: list[list[int]] = [[]]
    while waiting:
        path = waiting.pop()
        sizes: list[int] = []

        def pick(_: Subtask, menu: Menu, path: list[int] = path, sizes: list[int] = sizes) -> Choice:
            offered = [variant.choice(count) for variant, counts in menu.items() for count in counts]
            sizes.append(len(offered))
            step = len(sizes) - 1
            return offered[path[step] if step < len(path) else 0]

        found.append(feasible.build(pick))
        for step in range(len(path), len(sizes)):
            stem = path + [0] * (step - len(path))
            waiting.extend([*stem, other] for other in range(1, sizes[step]))
    return found


@given(problems())
def test_it_builds_every_feasible_allocation_once_and_no_other(problem: Drawn) -> None:
    space, cost, budget = problem
    built = buildable(FeasibleSpace(Problem(space, cost, budget)))
    assert len(built) == len(set(built))
    assert set(built) == set(space.allocations(budget, cost))


@given(problems(), st.integers(0, 2**32))
def test_random_allocations_fit_and_untried_ones_come_until_all_are_tried(problem: Drawn, seed: int) -> None:
    space, cost, budget = problem
    feasible, rng = FeasibleSpace(Problem(space, cost, budget)), np.random.default_rng(seed)
    assert space.feasible(feasible.random(rng), budget, cost)
    left = list(space.allocations(budget, cost))
    tried = set(left[:-2])
    for _ in left[-2:]:
        new = feasible.untried(tried, rng)
        assert new in left
        assert new not in tried
        tried.add(new)
    assert feasible.untried(tried, rng) is None


@given(problems())
def test_its_costs_are_the_cost_models(problem: Drawn) -> None:
    space, cost, budget = problem
    feasible = FeasibleSpace(Problem(space, cost, budget))
    for allocation in space.allocations(budget, cost):
        assert feasible.total(allocation) == pytest.approx(cost.total(space, allocation))
        assert feasible.fits(allocation)


@given(capped_problems())
def test_under_caps_it_builds_every_feasible_allocation_and_no_other(problem: Capped) -> None:
    space, cost, budget, caps = problem
    feasible = FeasibleSpace(Problem(space, cost, budget, caps=caps))
    built = buildable(feasible)
    assert len(built) == len(set(built))
    assert set(built) == set(space.allocations(budget, cost, caps))
    assert all(feasible.fits(allocation) for allocation in built)


@given(capped_problems(), st.integers(0, 2**32))
def test_under_caps_whatever_a_menu_offers_can_be_completed(problem: Capped, seed: int) -> None:
    # Subtasks are chosen in any order, as the initial trials and changes of one stage do.
    space, cost, budget, caps = problem
    feasible, rng = FeasibleSpace(Problem(space, cost, budget, caps=caps)), np.random.default_rng(seed)
    chosen: dict[str, Choice] = {}
    for place in rng.permutation(len(space.subtasks)):
        subtask = space.subtasks[place]
        menu = feasible.menu(subtask, chosen)
        variant = list(menu)[int(rng.integers(len(menu)))]
        chosen[subtask.name] = variant.choice(menu[variant][-1])
    assert space.feasible(chosen, budget, cost, caps)


@given(st.sets(st.integers(1, 500), min_size=1, max_size=40).map(sorted), st.floats(0, 1))
def test_every_count_has_a_place_on_the_log_scale(counts: list[int], position: float) -> None:
    assert 0 <= log_index(position, counts) < len(counts)
    for index in range(len(counts)):
        place = log_position(index, counts)
        assert 0 < place < 1
        assert log_index(place, counts) == index
