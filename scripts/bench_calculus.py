"""The calculus of allocations: costs and feasibility of many at once, and the exact count of a large space.

python scripts/bench_calculus.py
"""

from __future__ import annotations

import math

import numpy as np
from bench_script import Line, milliseconds, parser, ratios, show, side_by_side

from tools.cost_table import CostTable
from tools.flops import FlopsCost
from tools.limits import Limits
from tools.space import Allocation, Model, SearchSpace, Subtask

ALONE = 1000
"""Allocations that the reference reckons one by one."""


def three_stages(max_samples: int) -> SearchSpace:
    """The paper's software development space: coding, static and dynamic testing, each by two models."""
    models = [Model("3b", 3e9), Model("70b", 70e9)]
    lengths = {"coding": 1024, "static": 512, "dynamic": 256}
    return SearchSpace(
        [Subtask(name, models, prompt_tokens=1024, generation_tokens=length) for name, length in lengths.items()],
        max_samples,
    )


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=9)
    options.add_argument("--allocations", type=int, default=1_000_000, help="default: %(default)s")
    options.add_argument("--max-samples", type=int, default=1000, help="default: %(default)s")
    arguments = options.parse_args()
    space, cost = three_stages(arguments.max_samples), FlopsCost()
    budget = 10 * space.default_budget(cost)
    table = CostTable(space, Limits(budget, cost))
    rng = np.random.default_rng(0)
    many = np.column_stack([rng.integers(len(choices), size=arguments.allocations) for choices in table.choices])
    few = [Allocation(table.chosen(pick)) for pick in many[:ALONE]]

    at_once, alone = side_by_side(
        lambda: (table.totals(many), table.fits(many)),
        lambda: [(cost.total(space, one), space.feasible(one, budget, cost)) for one in few],
        arguments.runs,
    )
    alone = [value * len(many) / len(few) for value in alone]
    floats = rng.random(min(4_000_000, (2 * arguments.max_samples) ** 2))
    counted, sorted_ = side_by_side(lambda: space.count(budget, cost), lambda: np.sort(floats), arguments.runs)
    unlimited, sorted_again = side_by_side(lambda: space.count(math.inf, cost), lambda: np.sort(floats), arguments.runs)
    fitting, every = space.count(budget, cost), space.count(math.inf, cost)
    show(
        [
            Line(
                f"cost and feasibility of {len(many):,} allocations, processor time",
                milliseconds(at_once),
                f"one by one: {milliseconds(alone)}",
                ratios(at_once, alone),
                "under 100 ms",
            ),
            Line(
                f"exact count of {every:,} allocations, {fitting:,} of which fit, with the table of costs",
                milliseconds(counted),
                f"sorting {len(floats):,} floats: {milliseconds(sorted_)}",
                ratios(counted, sorted_),
                "under 1 s",
            ),
            Line(
                "the same without a limit",
                milliseconds(unlimited),
                f"sorting {len(floats):,} floats: {milliseconds(sorted_again)}",
                ratios(unlimited, sorted_again),
                "under 1 s",
            ),
        ]
    )


if __name__ == "__main__":
    main()
