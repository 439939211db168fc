"""The uncertainty of a score measured on a few examples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of a mean score in [0, 1]."""

    low: float
    high: float


def wilson_interval(mean: float, examples: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for a mean of `examples` values in [0, 1].

    Exact in intent for 0/1 metrics; for graded ones (F1) it is conservative, because a variable
    in [0, 1] varies at most as much as a coin with the same mean. It never degenerates at 0 or 1,
    where the Wald interval has no width. With no examples nothing is known: [0, 1].
    """
    if examples < 1:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    z2 = z * z
    centre = (mean + z2 / (2 * examples)) / (1 + z2 / examples)
    half = z / (1 + z2 / examples) * math.sqrt(mean * (1 - mean) / examples + z2 / (4 * examples**2))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))
