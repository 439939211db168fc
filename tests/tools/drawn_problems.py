"""Hypothesis strategies: small search spaces, cost models and budgets that fit something."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from tools.cost import CostModel
from tools.flops import FlopsCost
from tools.kinetics import KineticsCost
from tools.limits import Cap
from tools.price import PriceCost
from tools.space import Model, SearchSpace, Subtask

prices = st.floats(0, 50).map(lambda price: round(price, 2))
parameters = st.sampled_from([1e8, 5e8, 1e9, 3e9, 7e9, 8e9, 70e9])
strategies = st.lists(st.sampled_from(["fusion", "majority"]), max_size=2, unique=True)
temperatures = st.lists(st.sampled_from([0.0, 0.7, 1.0]), max_size=2, unique=True)


@st.composite
def spaces(draw: st.DrawFn, most: int = 3) -> SearchSpace:
    """One to three subtasks with one to three models each and a few sample counts.

    Where they are but one or two, the first may list strategies and temperatures.
    """
    subtasks = []
    stages = draw(st.integers(1, 3))
    for number in range(stages):
        listing = number == 0 and stages < 3
        sizes = draw(st.lists(parameters, min_size=1, max_size=most))
        models = [
            Model(f"m{i}", size, draw(prices), draw(prices), layers=24 + i, hidden_size=1024, kv_size=128 * (1 + i))
            for i, size in enumerate(sizes)
        ]
        prompt, generation = draw(st.integers(1, 4096)), draw(st.integers(1, 512))
        subtasks.append(
            Subtask(
                f"s{number}",
                models,
                prompt_tokens=prompt,
                generation_tokens=generation,
                strategies=draw(strategies) if listing else (),
                temperatures=draw(temperatures) if listing else (),
            )
        )
    return SearchSpace(subtasks, sample_counts=draw(st.lists(st.integers(1, 40), min_size=1, max_size=most + 2)))


# A large base makes costs negative.
costs: st.SearchStrategy[CostModel] = st.one_of(
    st.builds(
        FlopsCost,
        base_parameters=parameters,
        base_prompt_tokens=st.integers(1, 4096),
        base_generation_tokens=st.integers(1, 512),
    ),
    st.builds(PriceCost, examples=st.integers(1, 50)),
    st.builds(KineticsCost, arithmetic_intensity=st.floats(1, 1000)),
)


@st.composite
def problems(draw: st.DrawFn, most: int = 3) -> tuple[SearchSpace, CostModel, float]:
    """A space, a cost model and a budget: often exactly the cost of some allocation."""
    space, cost = draw(spaces(most)), draw(costs)
    totals = sorted({cost.total(space, allocation) for allocation in space.allocations(math.inf, cost)})
    budget = draw(st.sampled_from([*totals, space.default_budget(cost)]))
    # Not between: a gap between two totals may be smaller than the tolerance of a budget.
    return space, cost, max(budget, totals[0])


@st.composite
def capped_problems(draw: st.DrawFn) -> tuple[SearchSpace, CostModel, float, tuple[Cap, ...]]:
    """A problem with up to two caps that leave something feasible: those of an allocation that fits."""
    space, cost, budget = draw(problems(2))
    fitting = list(space.allocations(budget, cost))
    kept = fitting[draw(st.integers(0, len(fitting) - 1))]
    capped = draw(st.lists(costs, max_size=2))
    slack = st.sampled_from([1.0, 1.2, 2.0])
    caps = [
        Cap(other, other.total(space, kept) + (draw(slack) - 1) * abs(other.total(space, kept))) for other in capped
    ]
    return space, cost, budget, tuple(caps)
