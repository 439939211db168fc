"""Bayesian linear regression whose scale of prior and noise are averaged by their evidence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

AMPLITUDES = (0.07, 0.14, 0.28)
"""Standard deviations that the priors' own scale is multiplied by."""
NOISES = (0.02, 0.04, 0.08)
"""Standard deviations of a score around the regression."""


@dataclass(frozen=True)
class Prior:
    """Independent Gaussians over weights.

    Weights of `relative` have mean and deviation times the amplitude; the others are pure numbers.
    """

    mean: Array
    deviation: Array
    relative: npt.NDArray[np.bool_]

    def joined(self, other: Prior) -> Prior:
        """The prior over both sets of weights, this one's first."""
        return Prior(
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.deviation, other.deviation]),
            np.concatenate([self.relative, other.relative]),
        )


class Posterior:
    """A mixture of Gaussians over weights, one part for each amplitude and noise."""

    def __init__(self, features: Array, scores: Array, prior: Prior) -> None:
        """After the scores of the rows of `features`; the evidence of every part is exact."""
        evidence, self._means, self._roots = [], [], []
        for amplitude in AMPLITUDES:
            scale = np.where(prior.relative, amplitude, 1.0)
            for noise in NOISES:
                part = _condition(features, scores, prior.mean * scale, (prior.deviation * scale) ** 2, noise)
                evidence.append(part[0])
                self._means.append(part[1])
                self._roots.append(part[2])
        weights = np.exp(np.array(evidence) - max(evidence))
        self._shares = weights / weights.sum()

    def sample(self, rng: np.random.Generator) -> Array:
        """Weights drawn from the posterior."""
        part = int(rng.choice(len(self._shares), p=self._shares))
        drawn: Array = self._means[part] + self._roots[part] @ rng.standard_normal(self._roots[part].shape[1])
        return drawn

    @cached_property
    def mean(self) -> Array:
        """The expected weights."""
        weights: Array = self._shares @ np.array(self._means)
        return weights

    def variance(self, features: Array) -> Array:
        """The variance of the regression at the rows of `features`, without the noise of a score."""
        means = np.array(self._means) @ features.T
        variances = np.array([((features @ root) ** 2).sum(axis=1) for root in self._roots])
        spread: Array = self._shares @ (variances + (means - features @ self.mean) ** 2)
        return spread


def _condition(
    features: Array, scores: Array, mean: Array, variance: Array, noise: float
) -> tuple[float, Array, Array]:
    """Log evidence, posterior mean and a root of the posterior covariance of a linear Gaussian model."""
    scaled = features * variance
    covariance = features @ scaled.T + noise**2 * np.eye(len(scores))
    root = np.linalg.cholesky(covariance)
    residual = np.linalg.solve(root, scores - features @ mean)
    gain = np.linalg.solve(root, scaled)
    evidence = -0.5 * float(residual @ residual) - float(np.log(np.diag(root)).sum())
    posterior = np.diag(variance) - gain.T @ gain
    values, vectors = np.linalg.eigh(posterior)
    return evidence, mean + gain.T @ residual, vectors * np.sqrt(np.clip(values, 0.0, None))
