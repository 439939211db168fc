"""Models of how the subtasks' scores answer to their choices and to what came before them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agent.belief.regression import Array, Posterior, Prior
from tools.space import Choice, SearchSpace, Subtask

UNIT = 0.1
"""Scores are modelled with this standard deviation, so that the priors fit any metric."""
KNOTS = np.linspace(0.0, 1.0, 6)
LARGEST_GRID = 250_000
"""Where a space has more choices of every subtask combined than this, sample counts are thinned."""
LENGTH = 0.4
"""Length scale of the curves on the log scale of the sample counts, from 0 (one) to 1 (the most)."""


@dataclass(frozen=True, slots=True)
class Insights:
    """Which of AgentTTS's insights the priors hold: 1 models, 2 samples, 3 coupling."""

    models: bool = True
    samples: bool = True
    coupling: bool = True


def sample_counts(space: SearchSpace) -> list[int]:
    """The counts that tables hold: all of them in small spaces, else a log-spaced selection."""
    counts = list(space.sample_counts)
    variants = [len(subtask.variants) for subtask in space.subtasks]
    each = int((LARGEST_GRID / math.prod(variants)) ** (1 / len(variants)))
    if len(counts) <= each:
        return counts
    places = np.geomspace(1, len(counts), each)
    return [counts[position] for position in sorted({round(place) - 1 for place in places})]


def choice_tables(space: SearchSpace) -> list[ChoiceTable]:
    """A table for every subtask, in pipeline order."""
    counts = sample_counts(space)
    return [ChoiceTable(space, subtask, counts) for subtask in space.subtasks]


class ChoiceTable:
    """Every choice for one subtask as arrays, in a fixed order: variants, samples rising.

    With one sample all strategies give the same: the first one listed stands for the others there.
    `strategy` and `temperature` have a column for each one listed, 1 where a choice has it; none
    where there is nothing to choose among.
    """

    def __init__(self, space: SearchSpace, subtask: Subtask, counts: Sequence[int]) -> None:
        self._strategies = subtask.strategies
        every = [variant.choice(count) for variant in subtask.variants for count in counts]
        self.choices = list(dict.fromkeys(map(self._standing, every)))
        models = {model.name: position for position, model in enumerate(subtask.by_size)}
        self.model = np.array([models[choice.model] for choice in self.choices])
        self.strategy = _indicators([choice.strategy for choice in self.choices], subtask.strategies)
        self.temperature = _indicators([choice.temperature for choice in self.choices], subtask.temperatures)
        most = math.log(space.max_samples) or 1.0
        self.place: Array = np.log([float(choice.samples) for choice in self.choices]) / most
        sizes = np.log([model.parameters for model in subtask.by_size])
        self.size: Array = ((sizes - sizes.mean()) / (float(sizes.std()) or 1.0))[self.model]
        self._index = {choice: position for position, choice in enumerate(self.choices)}

    def __len__(self) -> int:
        return len(self.choices)

    def nearest(self, choice: Choice) -> int:
        """The position of the choice, or of its variant's nearest sample count where counts are thinned."""
        choice = self._standing(choice)
        if choice in self._index:
            return self._index[choice]
        same = [position for position, known in enumerate(self.choices) if known.variant == choice.variant]
        return min(same, key=lambda position: abs(self.choices[position].samples - choice.samples))

    def position(self, choice: Choice) -> int | None:
        """The position of exactly this choice; None where the table leaves it out."""
        return self._index.get(choice)

    def _standing(self, choice: Choice) -> Choice:
        """The choice that stands for one in the table."""
        return replace(choice, strategy=self._strategies[0]) if choice.samples == 1 and self._strategies else choice


@dataclass(frozen=True, slots=True)
class Response:
    """score = level + slope * upstream + bend * upstream^2 for each choice, in modelled units."""

    level: Array
    slope: Array
    bend: float = 0.0

    def at(self, upstream: Array) -> Array:
        """The scores of all choices (columns) after each upstream score (rows)."""
        u = upstream[:, None]
        return self.level + self.slope * u + self.bend * u * u


@dataclass(frozen=True, slots=True)
class Draws:
    """Responses of one subtask, one a draw: level and slope have a row for each, bend a number."""

    level: Array
    slope: Array
    bend: Array

    def one(self, place: int) -> Response:
        """The response of a draw."""
        return Response(self.level[place], self.slope[place], float(self.bend[place]))


class CoupledModel:
    """One subtask's score from its choice and the score of the subtask before it.

    The features: model size and a level of each model (Insight 1), a curve over the samples that
    all models share and one of each model (Insight 2), the upstream score and how each choice
    answers to it (Insight 3), and where they are searched what strategy and temperature change.
    Priors say what the insights expect, and are wide enough for data
    to overrule them.
    """

    def __init__(self, table: ChoiceTable, insights: Insights, *, upstream: bool) -> None:
        self._own, prior = own_features(table, insights)
        self._coupled, coupling = coupling_features(table)
        if not (upstream and insights.coupling):
            self._coupled, coupling = self._coupled[:, :0], _none()
        self._bend = Prior(np.zeros(1), np.full(1, 0.3), np.zeros(1, dtype=bool)) if len(coupling.mean) else _none()
        self._prior = prior.joined(coupling).joined(self._bend)

    def fit(self, rows: Sequence[int], upstream: Array, scores: Array) -> Posterior:
        """The posterior after scores of choices (by index) after upstream scores, in modelled units."""
        return Posterior(self.features(rows, upstream), scores, self._prior)

    def features(self, rows: Sequence[int], upstream: Array) -> Array:
        """The features of choices (by index) after upstream scores."""
        index, u = np.asarray(rows, dtype=np.intp), upstream[:, None]
        bend = u * u / UNIT * np.ones(len(self._bend.mean))
        return np.hstack([self._own[index], self._coupled[index] * u, bend])

    def response(self, weights: Array) -> Response:
        """What weights mean for every choice."""
        return self.draws(weights[None, :]).one(0)

    def draws(self, weights: Array) -> Draws:
        """What weights, a row a draw, mean for every choice."""
        own, coupled = self._own.shape[1], self._coupled.shape[1]
        bend = weights[:, own + coupled :].sum(axis=1) / UNIT
        return Draws(weights[:, :own] @ self._own.T, weights[:, own : own + coupled] @ self._coupled.T, bend)


class AdditiveModel:
    """The final score as a sum over the subtasks' choices, for objectives without stage scores."""

    def __init__(self, tables: Sequence[ChoiceTable], insights: Insights) -> None:
        self._own, priors = zip(*(own_features(table, insights) for table in tables), strict=True)
        self._prior = priors[0]
        for prior in priors[1:]:
            self._prior = self._prior.joined(prior)

    def fit(self, rows: Sequence[Sequence[int]], scores: Array) -> Posterior:
        """The posterior after final scores of allocations, each a choice index for every subtask."""
        return Posterior(self.features(rows), scores, self._prior)

    def features(self, rows: Sequence[Sequence[int]]) -> Array:
        """The features of allocations, each a choice index for every subtask."""
        columns = np.asarray(rows, dtype=np.intp).T
        return np.hstack([own[column] for own, column in zip(self._own, columns, strict=True)])

    def responses(self, weights: Array) -> list[Response]:
        """Each subtask's share, added to those before it."""
        return [draws.one(0) for draws in self.draws(weights[None, :])]

    def draws(self, weights: Array) -> list[Draws]:
        """The same for weights with a row a draw."""
        ends = np.cumsum([own.shape[1] for own in self._own])
        parts = np.split(weights, ends[:-1], axis=1)
        levels = [part @ own.T for own, part in zip(self._own, parts, strict=True)]
        return [Draws(level, np.ones_like(level), np.zeros(len(level))) for level in levels]


def own_features(table: ChoiceTable, insights: Insights) -> tuple[Array, Prior]:
    """Features of a choice alone, with the prior of their weights."""
    models = np.eye(int(table.model.max()) + 1)[table.model]
    curve = _curve_features(table.place) if insights.samples else table.place[:, None]
    rise = (1 - np.exp(-4 * table.place))[:, None]
    blocks = [
        (np.ones((len(table), 1)), 0.0, 2.0),
        (table.size[:, None], 1.0 if insights.models else 0.0, 1.0),
        (models, 0.0, 1.0),
        (rise, 0.3 if insights.samples else 0.0, 0.5),
        (curve, 0.0, 0.5),
        (_products(models, curve), 0.0, 0.6),
    ]
    if table.strategy.size:
        # One sample is the answer under any strategy.
        strategy = table.strategy * rise
        blocks += [(strategy, 0.0, 0.5), (_products(models, strategy), 0.0, 0.4)]
    if table.temperature.size:
        blocks += [(table.temperature, 0.0, 0.4), (table.temperature * rise, 0.0, 0.4)]
    return _stacked(blocks, relative=True)


def coupling_features(table: ChoiceTable) -> tuple[Array, Prior]:
    """Features that multiply the upstream score, with the prior of their weights."""
    models = np.eye(int(table.model.max()) + 1)[table.model]
    place = table.place[:, None] - 0.5
    blocks = [
        (np.ones((len(table), 1)), 0.4, 0.4),
        (models, 0.0, 0.25),
        (place, 0.0, 0.3),
        (models * place, 0.0, 0.2),
        (_curve_features(table.place), 0.0, 0.15),
    ]
    return _stacked(blocks, relative=False)


def _indicators(values: Sequence[object], candidates: Sequence[object]) -> Array:
    """A column for each candidate, 1 where a value is it; none where there is but one."""
    columns = candidates if len(candidates) > 1 else ()
    return np.array([[value == candidate for candidate in columns] for value in values], dtype=np.float64)


def _products(left: Array, right: Array) -> Array:
    """Every column of one times every column of the other."""
    return (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)


def _none() -> Prior:
    return Prior(np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool))


def _stacked(blocks: Sequence[tuple[Array, float, float]], *, relative: bool) -> tuple[Array, Prior]:
    widths = [features.shape[1] for features, _, _ in blocks]
    means = np.repeat([mean for _, mean, _ in blocks], widths)
    deviations = np.repeat([deviation for _, _, deviation in blocks], widths)
    features = np.hstack([features for features, _, _ in blocks])
    return features, Prior(means, deviations, np.full(len(means), relative))


def _curve_features(place: Array) -> Array:
    """Smooth functions on [0, 1] of unit variance: a Gaussian process cut to its knots."""

    def kernel(left: Array, right: Array) -> Array:
        difference: Array = (left[:, None] - right[None, :]) / LENGTH
        return np.exp(-0.5 * difference**2)

    root = np.linalg.cholesky(kernel(KNOTS, KNOTS) + 1e-6 * np.eye(len(KNOTS)))
    features: Array = np.linalg.solve(root, kernel(KNOTS, place)).T
    return features
