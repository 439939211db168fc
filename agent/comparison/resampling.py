"""Uncertainty by resampling, tests by ranks, and the correction for making many of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

RESAMPLES = 4000
SEED = 20250801
"""Of every bootstrap: the same results give the same intervals."""
CONFIDENCE = 0.95
DECIMALS = 12
"""Differences are rounded to this, lest the order of a sum make two equal scores differ in rank."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95% bootstrap interval; the interval is None for fewer than two values."""

    mean: float
    low: float | None
    high: float | None
    n: int


def bootstrap_mean(values: Sequence[float], strata: Sequence[Hashable] | None = None) -> Estimate:
    """The mean of independent values, with a percentile interval; at least one value is needed.

    Values are drawn with replacement within their stratum, so that each stratum keeps its weight.
    """
    column = np.asarray(values, dtype=np.float64)[:, None]
    mean, low, high = bootstrap_bands(column, strata)
    n = len(values)
    return Estimate(float(mean[0]), float(low[0]) if n > 1 else None, float(high[0]) if n > 1 else None, n)


def bootstrap_bands(rows: Array, strata: Sequence[Hashable] | None = None) -> tuple[Array, Array, Array]:
    """The mean of each column with its pointwise 95% percentile interval; rows are drawn together.

    Returns (means, lows, highs). Equal shapes and strata draw equal rows, which keeps the bands of
    several searchers on the same problems comparable.
    """
    means = _weights(tuple([0] * len(rows) if strata is None else strata)) @ rows
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return rows.mean(axis=0), low, high


@lru_cache(maxsize=16)
def _weights(labels: tuple[Hashable, ...]) -> Array:
    """One row a resample: the weight that each value has in its mean."""
    rng = np.random.default_rng(SEED)
    n = len(labels)
    counts = np.zeros((RESAMPLES, n))
    for label in dict.fromkeys(labels):
        members = np.array([position for position, other in enumerate(labels) if other == label])
        counts[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), RESAMPLES)
    return counts / n


def signed_rank(differences: Sequence[float]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test that paired differences centre on zero.

    Exact for any number of ties: the chance, over all signs that the differences could have, of a
    rank sum as far out as this one. Zeros take part in the ranking and are then left out (Pratt),
    so that many ties do not make a few differences look stronger. 1 without any difference.
    """
    from scipy.stats import rankdata

    rounded = np.round(np.asarray(differences, dtype=np.float64), DECIMALS)
    # Ranks of ties end in a half: twice the rank is a whole number, and rank sums can be counted.
    ranks = np.rint(2 * rankdata(np.abs(rounded))).astype(np.int64)
    positive = int(ranks[rounded > 0].sum())
    chances = np.ones(1)
    for rank in ranks[rounded != 0]:
        none = np.zeros(rank)
        chances = (np.concatenate([chances, none]) + np.concatenate([none, chances])) / 2
    return float(min(1.0, 2 * min(chances[: positive + 1].sum(), chances[positive:].sum())))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the given order.

    Rejecting those at or below a level keeps the chance of any false rejection at that level.
    """
    order = sorted(range(len(p_values)), key=lambda position: p_values[position])
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, position in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = running
    return adjusted


def arrival_quantile(times: Sequence[float | None], share: float = 0.5) -> float | None:
    """The earliest time by which this share of the runs had arrived; None (never) counts as later than all.

    With all runs watched for equally long this is the Kaplan-Meier quantile.
    """
    arrived = sorted(time for time in times if time is not None)
    needed = max(1, int(np.ceil(share * len(times) - 1e-9)))
    return arrived[needed - 1] if len(arrived) >= needed else None
