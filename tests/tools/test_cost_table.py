"""The costs of many allocations at once are those of each alone."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given

from tests.tools.drawn_problems import capped_problems
from tools.cost import CostModel
from tools.cost_table import CostTable
from tools.limits import Cap, Limits
from tools.space import Allocation, SearchSpace

Capped = tuple[SearchSpace, CostModel, float, tuple[Cap, ...]]


@given(capped_problems())
def test_costs_and_feasibility_are_those_of_each_allocation_alone(problem: Capped) -> None:
    space, cost, budget, caps = problem
    every = list(space.allocations(math.inf, cost))
    limits = Limits(budget, cost, caps)
    table = CostTable(space, limits)
    picks = table.picks(every)
    for column, one in enumerate(limits.costs):
        assert table.totals(picks, column).tolist() == [one.total(space, allocation) for allocation in every]
    assert table.fits(picks).tolist() == [space.feasible(allocation, budget, cost, caps) for allocation in every]
    assert [Allocation(table.chosen(pick)) for pick in picks] == every
    assert table.count() == int(np.count_nonzero(table.fits(picks)))


@given(capped_problems())
def test_no_allocations_are_no_rows(problem: Capped) -> None:
    space, cost, budget, caps = problem
    table = CostTable(space, Limits(budget, cost, caps))
    assert table.totals(table.picks([])).shape == table.fits(table.picks([])).shape == (0,)
