"""What the trials so far let the planner believe about every allocation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from agent.belief.regression import Array, Posterior
from agent.belief.response import UNIT, AdditiveModel, ChoiceTable, CoupledModel, Draws, Insights, Response
from agent.searcher import Problem
from tools.history import completed
from tools.space import Allocation, Choice
from tools.trial import Trial


@dataclass(frozen=True, slots=True)
class Scale:
    """Between scores and modelled units, in which they have mean 0 and deviation UNIT."""

    centre: float
    spread: float

    @classmethod
    def of(cls, scores: Array) -> Scale:
        """The scale of some scores; before any score that of the modelled units."""
        if not len(scores):
            return cls(0.0, UNIT)
        centre, spread = float(scores.mean()), float(scores.std())
        # Equal scores say that little depends on the choices, not how much: a hundredth is a guess.
        return cls(centre, spread if spread > 1e-12 * abs(centre) else 0.01 * (abs(centre) or 1.0))

    def modelled(self, scores: Array) -> Array:
        return (scores - self.centre) / self.spread * UNIT

    def score(self, value: float) -> float:
        return self.centre + value / UNIT * self.spread

    def estimates(self, means: Array, variances: Array) -> list[Estimate]:
        """The estimates that means and variances in modelled units are."""
        deviations = np.sqrt(variances) / UNIT * self.spread
        return [Estimate(self.score(float(m)), float(d)) for m, d in zip(means, deviations, strict=True)]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is expected of a score, and the standard deviation of that: of the score without its luck."""

    mean: float
    deviation: float


class Belief:
    """Posteriors over every subtask's response; the priors where no trial is complete yet.

    Where trials carry stage scores, each subtask's response is learnt from its own scores, given
    those of the subtask before it; else the final score is taken for a sum over the choices.
    """

    def __init__(
        self, problem: Problem, tables: Sequence[ChoiceTable], insights: Insights, trials: Sequence[Trial]
    ) -> None:
        self._problem = problem
        self._tables = tables
        self._names = [subtask.name for subtask in problem.space.subtasks]
        self._additive: AdditiveModel | None = None
        self._done = completed(trials)
        self.best = self._done[0] if self._done else None
        # Trials of others (a resumed history) may use counts that a thinned table lacks.
        rows = [(t, [self._row(i, t.allocation[name]) for i, name in enumerate(self._names)]) for t in self._done]
        if all(set(self._names[:-1]) <= set(t.stage_scores) for t in self._done):
            self._fit_stages(rows, insights)
        else:
            self._fit_sum(rows, insights)

    @property
    def staged(self) -> bool:
        """Whether each subtask's own score is modelled, and not the final score alone."""
        return self._additive is None

    def mean(self) -> list[Response]:
        """The expected response of every subtask."""
        return self._mean

    def samples(self, rng: np.random.Generator, count: int) -> list[Draws]:
        """Responses of every subtask drawn from what is possible, `count` times."""
        drawn = [[posterior.draw(rng) for posterior in self._posteriors] for _ in range(count)]
        weights = [p.weights([row[i] for row in drawn]) for i, p in enumerate(self._posteriors)]
        if self._additive is not None:
            return self._additive.draws(weights[0])
        return [model.draws(w) for model, w in zip(self._models, weights, strict=True)]

    def expected(self, allocation: Allocation) -> float:
        """The expected final score of an allocation."""
        value = np.zeros(1)
        for position, (name, response) in enumerate(zip(self._names, self.mean(), strict=True)):
            value = response.at(value)[:, self._row(position, allocation[name])]
        return self._scale.score(float(value[0]))

    def estimates(self, allocations: Sequence[Allocation]) -> list[Estimate]:
        """The expected final score of each allocation, and how sure it is.

        The uncertainty of a stage goes into the next by that stage's slope (first order).
        """
        if not allocations:
            return []
        picks = [[self._row(i, allocation[name]) for i, name in enumerate(self._names)] for allocation in allocations]
        if self._additive is not None:
            features, (posterior,) = self._additive.features(picks), self._posteriors
            return self._scale.estimates(features @ posterior.mean, posterior.variance(features))
        means = variances = np.zeros(len(picks))
        for position, rows in enumerate(zip(*picks, strict=True)):
            means, variances = self._stage(position, rows, means, variances)
        return self._scale.estimates(means, variances)

    def curve(self, position: int, after: Allocation) -> list[Estimate]:
        """Estimates for every choice in the table of the subtask at `position`: its own scores.

        They come after the choices of `after` in the earlier subtasks, whose scores count as known.
        Without stage scores it is the final score, the other subtasks as in `after`.
        """
        name, choices = self._names[position], self._tables[position].choices
        if self._additive is not None:
            return self.estimates([after.replace(name, choice) for choice in choices])
        mean, known = np.zeros(1), np.zeros(1)
        for earlier in range(position):
            mean, _ = self._stage(earlier, [self._row(earlier, after[self._names[earlier]])], mean, known)
        rows = range(len(choices))
        means, variances = self._stage(position, rows, np.repeat(mean, len(rows)), np.zeros(len(rows)))
        return self._scales[position].estimates(means, variances)

    def why(self, allocation: Allocation) -> str:
        """What an allocation changes in the best trial, and what it may score, as a reason to try it."""
        if self.best is None:
            return "before any trial: by the insights alone, beside the others of its batch"
        moves = []
        for name in self._names:
            old, new = self.best.allocation[name], allocation[name]
            if old.model != new.model:
                moves.append(f"{new} instead of {old} in {name} (Insight 1)")
            elif replace(old, samples=new.samples) == new != old:
                moves.append(f"{new.samples} instead of {old.samples} samples in {name} (Insight 2)")
            elif old != new:
                moves.append(f"{new} instead of {old} in {name}")
        if len(moves) > 1:
            moves.append("shifting budget between them (Insight 3)")
        (estimate,) = self.estimates([allocation])
        return f"expected {estimate.mean:.3f} +/- {estimate.deviation:.3f}: {'; '.join(moves)}"

    def summary(self) -> str:
        """What is believed, for people: the best trial, and each subtask's models and curves."""
        best, unit = self.best, self._problem.cost.unit
        if best is None:
            return "Nothing is known: no trial is complete."
        lines = [
            f"Best so far {best.score:.3f} with {best.allocation} at {best.cost:,.4g} {unit}; "
            f"expected {self.expected(best.allocation):.3f} without its luck."
        ]
        upstream = np.zeros(1)
        for position, (name, response) in enumerate(zip(self._names, self.mean(), strict=True)):
            table = self._tables[position]
            values = response.at(upstream)[0]
            worth = dict(zip(table.choices, map(float, values), strict=True))
            peaks: dict[str, Choice] = {}
            for choice in sorted(table.choices, key=lambda choice: (-worth[choice], choice.samples)):
                peaks.setdefault(choice.model, choice)
            shown = ", ".join(map(str, peaks.values()))
            lines.append(f"{name}: preferred, from best to worst, each at its expected peak: {shown}.")
            upstream = values[self._row(position, best.allocation[name])][None]
        return "\n".join(lines)

    def _fit_stages(self, rows: Sequence[tuple[Trial, list[int]]], insights: Insights) -> None:
        self._models = [
            CoupledModel(table, insights, upstream=position > 0) for position, table in enumerate(self._tables)
        ]
        self._posteriors: list[Posterior] = []
        self._scales: list[Scale] = []
        before: Array = np.zeros(len(rows))
        for position, model in enumerate(self._models):
            raw = np.array([self._stage_score(trial, position) for trial, _ in rows])
            # Trials that agree up to this subtask repeat one measurement, not several.
            first: dict[tuple[int, ...], int] = {}
            for row, (_, picks) in enumerate(rows):
                first.setdefault(tuple(picks[: position + 1]), row)
            distinct = list(first.values())
            self._scale = Scale.of(raw[distinct])
            self._scales.append(self._scale)
            scores = self._scale.modelled(raw)
            picked = [rows[row][1][position] for row in distinct]
            self._posteriors.append(model.fit(picked, before[distinct], scores[distinct]))
            before = scores

    def _stage(self, position: int, rows: Sequence[int], upstream: Array, uncertainty: Array) -> tuple[Array, Array]:
        """Means and variances of a stage's scores, by choice index, after those of the stage before it."""
        features, posterior = self._models[position].features(rows, upstream), self._posteriors[position]
        response = self._mean[position]
        slope = response.slope[list(rows)] + 2 * response.bend * upstream
        return features @ posterior.mean, posterior.variance(features) + slope**2 * uncertainty

    def _fit_sum(self, rows: Sequence[tuple[Trial, list[int]]], insights: Insights) -> None:
        raw = np.array([trial.score or 0.0 for trial, _ in rows])
        self._scale = Scale.of(raw)
        additive = AdditiveModel(self._tables, insights)
        self._posteriors = [additive.fit([picks for _, picks in rows], self._scale.modelled(raw))]
        self._additive = additive

    @cached_property
    def _mean(self) -> list[Response]:
        return self._responses([posterior.mean for posterior in self._posteriors])

    def _responses(self, weights: Sequence[Array]) -> list[Response]:
        if self._additive is not None:
            return self._additive.responses(weights[0])
        return [model.response(w) for model, w in zip(self._models, weights, strict=True)]

    def _stage_score(self, trial: Trial, position: int) -> float:
        if position == len(self._names) - 1:
            return trial.score or 0.0
        return trial.stage_scores[self._names[position]].mean

    def _row(self, position: int, choice: Choice) -> int:
        return self._tables[position].nearest(choice)
