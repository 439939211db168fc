"""Bayesian linear regression whose scale of prior and noise are averaged by their evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

AMPLITUDES = (0.07, 0.14, 0.28)
"""Standard deviations that the priors' own scale is multiplied by."""
NOISES = (0.02, 0.04, 0.08)
"""Standard deviations of a score around the regression."""

MANY = 2
"""From so many times as many scores as weights on, the weights' own equations are the smaller ones."""

Part = tuple[float, Array, Array]
"""The log evidence, posterior mean and covariance of one part of a mixture."""
Draw = tuple[int, Array]


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
        evidence: list[float] = []
        self._means: list[Array] = []
        self._covariances: list[Array] = []
        for amplitude in AMPLITUDES:
            scale = np.where(prior.relative, amplitude, 1.0)
            parts = _conditioned(features, scores, prior.mean * scale, (prior.deviation * scale) ** 2)
            for part in parts:
                evidence.append(part[0])
                self._means.append(part[1])
                self._covariances.append(part[2])
        weights = np.exp(np.array(evidence) - max(evidence))
        self._shares = weights / weights.sum()
        self._bounds = self._shares.cumsum() / self._shares.sum()
        self._roots: dict[int, Array] = {}

    def draw(self, rng: np.random.Generator) -> Draw:
        """A part of the mixture, drawn by its share, and standard normal numbers, one a weight."""
        part = int(self._bounds.searchsorted(rng.random(), side="right"))
        return part, rng.standard_normal(len(self._means[part]))

    def weights(self, draws: Sequence[Draw]) -> Array:
        """The weights (columns) that draws (rows) from the posterior are."""
        parts = np.array([part for part, _ in draws])
        normal = np.array([numbers for _, numbers in draws])
        weights = np.empty_like(normal)
        for part in set(parts.tolist()):
            rows = parts == part
            weights[rows] = self._means[part] + normal[rows] @ self._root(part).T
        return weights

    @cached_property
    def mean(self) -> Array:
        """The expected weights."""
        weights: Array = self._shares @ np.array(self._means)
        return weights

    def variance(self, features: Array) -> Array:
        """The variance of the regression at the rows of `features`, without the noise of a score."""
        means = np.array(self._means) @ features.T
        variances = np.array([((features @ covariance) * features).sum(axis=1) for covariance in self._covariances])
        variances = np.maximum(variances, 0.0)
        spread: Array = self._shares @ (variances + (means - features @ self.mean) ** 2)
        return spread

    def _root(self, part: int) -> Array:
        """A root of a part's covariance, found when the part is first drawn."""
        if part not in self._roots:
            values, vectors = np.linalg.eigh(self._covariances[part])
            self._roots[part] = vectors * np.sqrt(np.clip(values, 0.0, None))
        return self._roots[part]


def _conditioned(features: Array, scores: Array, mean: Array, variance: Array) -> Iterator[Part]:
    """The linear Gaussian model after some scores, for each of the noises."""
    if len(scores) > MANY * len(mean):
        yield from _conditioned_by_weights(features, scores, mean, variance)
        return
    scaled = features * variance
    shared = features @ scaled.T
    targets = np.column_stack([scores - features @ mean, scaled])
    for noise in NOISES:
        root = np.linalg.cholesky(shared + noise**2 * np.eye(len(scores)))
        solved = np.linalg.solve(root, targets)
        residual, gain = solved[:, 0], solved[:, 1:]
        evidence = -0.5 * float(residual @ residual) - float(np.log(np.diag(root)).sum())
        yield evidence, mean + gain.T @ residual, np.diag(variance) - gain.T @ gain


def _conditioned_by_weights(features: Array, scores: Array, mean: Array, variance: Array) -> Iterator[Part]:
    """The same where scores are many: their number enters by one product, and not by its third power."""
    gram, answer = features.T @ features, features.T @ (scores - features @ mean)
    deviation = np.sqrt(variance)
    residual = float(((scores - features @ mean) ** 2).sum())
    for noise in NOISES:
        # In units of the prior, so that a weight without any variance is no division by zero.
        precision = np.eye(len(mean)) + deviation[:, None] * gram * deviation / noise**2
        root = np.linalg.cholesky(precision)
        inverse = np.linalg.inv(root)
        covariance = deviation[:, None] * (inverse.T @ inverse) * deviation
        moved = covariance @ answer / noise**2
        explained = float(answer @ moved) / noise**2
        determinant = float(np.log(np.diag(root)).sum()) + len(scores) * math.log(noise)
        yield -0.5 * (residual / noise**2 - explained) - determinant, mean + moved, covariance
