"""Scaling curves: how a score grows with samples, and where more of them are wasted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.errors import InvalidInput

RATES = np.geomspace(0.01, 0.95, 60)


@dataclass(frozen=True, slots=True)
class ScalingCurve:
    """score(S) = single + gain * (1 - (1 - rate)^(S - 1)), the saturating form of TTSPM.

    `single` is the score of one sample, `gain` what endless samples add (negative where fusion
    hurts), `rate` in (0, 1) the share of the remaining gain that each sample brings, `residual`
    the root mean square error of the fit.
    """

    single: float
    gain: float
    rate: float
    residual: float

    def score(self, samples: float) -> float:
        """The fitted score at a number of samples."""
        return float(self.single + self.gain * (1 - (1 - self.rate) ** (samples - 1)))

    def saturation(self, tolerance: float = 0.005) -> int:
        """The smallest number of samples within `tolerance` of everything that samples add."""
        if self.gain <= tolerance:
            return 1
        return 1 + math.ceil(math.log(tolerance / self.gain) / math.log(1 - self.rate) - 1e-9)


def fit_curve(samples: Sequence[int], scores: Sequence[float]) -> ScalingCurve:
    """The least-squares ScalingCurve through points; the rate is searched on a grid.

    With fewer than two distinct sample counts the curve is flat at the mean.
    Raises InvalidInput when nothing is given or the lengths differ.
    """
    if not samples or len(samples) != len(scores):
        raise InvalidInput("samples", "needs as many sample counts as scores, at least one")
    x = np.asarray(samples, dtype=np.float64)
    y = np.asarray(scores, dtype=np.float64)
    if np.unique(x).size < 2:
        mean = float(y.mean())
        return ScalingCurve(mean, 0.0, 0.5, float(np.sqrt(np.mean((y - mean) ** 2))))
    curves: list[ScalingCurve] = []
    for rate in RATES:
        design = np.column_stack([np.ones_like(x), 1 - (1 - rate) ** (x - 1)])
        (single, gain), *_ = np.linalg.lstsq(design, y, rcond=None)
        residual = float(np.sqrt(np.mean((design @ [single, gain] - y) ** 2)))
        curves.append(ScalingCurve(float(single), float(gain), float(rate), round(residual, 12)))
    return min(curves, key=lambda curve: curve.residual)
