"""One draw of a simulated task: scores of allocations on its examples, and the truth behind them."""

from __future__ import annotations

import math
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from environment.simulated.family import Family, StageSpec
from environment.simulated.luck import StageLuck
from environment.simulated.surface import Surface
from environment.simulation import Optimum
from environment.task import HELD_OUT, SEARCH
from tools.cost import CostModel
from tools.errors import InvalidInput
from tools.flops import FlopsCost
from tools.space import Allocation
from tools.text import shortened
from tools.trial import StageScore
from tools.validation import is_count

Array = npt.NDArray[np.float64]


class SimulatedProblem:
    """A seeded surface with seeded examples; everything is a function of its arguments.

    `scores` gives what an allocation scores on the examples of a split, `expected` and `oracle`
    the truth over all examples there could be. Raises InvalidInput on an unusable argument.
    """

    def __init__(self, family: Family, draw: int = 0, *, search_examples: int = 50, held_out_examples: int = 500):
        if isinstance(draw, bool) or not isinstance(draw, int) or draw < 0:
            raise InvalidInput("draw", f"must be a whole number of 0 or more, got {shortened(draw)}")
        for field, count in (("search_examples", search_examples), ("held_out_examples", held_out_examples)):
            if not is_count(count):
                raise InvalidInput(field, f"must be a whole number of 1 or more, got {shortened(count)}")
        self.family = family
        self.draw = draw
        self.space = family.space()
        self.surface = Surface(self.space, family.curves(draw))
        self.sizes = {SEARCH: search_examples, HELD_OUT: held_out_examples}

    @property
    def metrics(self) -> dict[str, str]:
        """Each subtask's metric, in pipeline order."""
        return {stage.name: stage.metric for stage in self.family.stages}

    def scores(self, allocation: Allocation, split: str = SEARCH) -> dict[str, StageScore]:
        """Each subtask's score on every example of a split, in order.

        Equal choices up to a stage give equal values there, whatever follows. The allocation must
        be valid.
        """
        means = self.surface.expected(allocation)
        carried = self.family.noise.carried
        result: dict[str, StageScore] = {}
        latent: Array | None = None
        for stage, luck in zip(self.family.stages, self._luck[split], strict=True):
            choice = allocation[stage.name]
            own = luck.of(choice.model, choice.samples)
            latent = own if latent is None else math.sqrt(carried) * latent + math.sqrt(1 - carried) * own
            values = _values(stage, means[stage.name], latent)
            result[stage.name] = StageScore(stage.metric, float(values.mean()), tuple(values.tolist()))
        return result

    def expected(self, allocation: Allocation) -> dict[str, float]:
        """Each subtask's score over the whole population: the exact mean of `scores`."""
        return self.surface.expected(allocation)

    def oracle(self, budget: float, cost: CostModel | None = None) -> Optimum:
        """The truly best allocation within a budget, in units of `cost` (FlopsCost by default)."""
        return self.surface.oracle(budget, cost or FlopsCost())

    @cached_property
    def _luck(self) -> dict[str, list[StageLuck]]:
        return {
            split: [
                StageLuck(
                    self.family.seed(self.draw, 1, purpose, position),
                    self.family.noise,
                    tuple(model.name for model in stage.curves),
                    self.space.max_samples,
                    self.sizes[split],
                )
                for position, stage in enumerate(self.family.stages)
            ]
            for purpose, split in enumerate((SEARCH, HELD_OUT))
        }


def _values(stage: StageSpec, mean: float, latent: Array) -> Array:
    """Per-example scores whose expectation is exactly `mean`; the lower the latent, the better."""
    if stage.concentration is None:
        return (latent < NormalDist().inv_cdf(mean)).astype(np.float64)
    from scipy.special import betaincinv, ndtr

    values: Array = betaincinv(mean * stage.concentration, (1 - mean) * stage.concentration, ndtr(-latent))
    return values
