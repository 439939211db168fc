"""Uncertainty by resampling, tests by ranks, and the correction for making many of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

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
    rng = np.random.default_rng(SEED)
    n = len(rows)
    labels = [0] * n if strata is None else list(strata)
    counts = np.zeros((RESAMPLES, n))
    for label in dict.fromkeys(labels):
        members = np.array([position for position, other in enumerate(labels) if other == label])
        # How often each row is drawn: the mean of a resample is a product with these counts.
        counts[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), RESAMPLES)
    means = counts @ rows / n
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return rows.mean(axis=0), low, high


def signed_rank(differences: Sequence[float]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test that paired differences centre on zero.

    Zeros take part in the ranking and are then left out (Pratt), so that many ties do not make a
    few differences look stronger. 1 where there is no difference at all.
    """
    from scipy.stats import wilcoxon

    rounded = np.round(np.asarray(differences, dtype=np.float64), DECIMALS)
    if not rounded.any():
        return 1.0
    return float(wilcoxon(rounded, zero_method="pratt").pvalue)


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
