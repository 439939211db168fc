"""Digests of the search history, for prompts and for the planner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tools.curves import ScalingCurve, fit_curve
from tools.space import SearchSpace
from tools.trial import Trial, TrialState


def completed(trials: Iterable[Trial]) -> list[Trial]:
    """The complete trials, best score first, cheaper first among equals."""
    done = [t for t in trials if t.state is TrialState.COMPLETE and t.score is not None]
    return sorted(done, key=lambda t: (-(t.score or 0.0), t.cost, t.number))


def history_rows(trials: Sequence[Trial], limit: int | None = None) -> list[dict[str, object]]:
    """Plain rows, best first: allocation, cost, main score and stage scores, rounded for reading."""
    return [
        {
            "trial": trial.number,
            "allocation": trial.allocation.to_dict(),
            "cost": round(trial.cost, 3),
            "score": round(trial.score or 0.0, 4),
            "stage_scores": {name: round(score.mean, 4) for name, score in trial.stage_scores.items()},
        }
        for trial in completed(trials)[:limit]
    ]


def stage_points(
    space: SearchSpace,
    trials: Sequence[Trial],
    subtask: str,
    model: str,
    *,
    strategy: str | None = None,
    temperature: float | None = None,
) -> list[tuple[int, float]]:
    """(samples, score) points of one subtask and model, averaged where a count was tried often.

    `strategy` and `temperature` restrict them to the choices that have these.

    The first subtask is read by its own metric, which no other choice touches; a later one by the
    metric that its upstream choices also move, so its points carry their variation.
    """
    space[subtask].model(model)
    points: dict[int, list[float]] = defaultdict(list)
    for trial in completed(trials):
        choice = trial.allocation[subtask]
        stage = trial.stage_scores.get(subtask)
        if choice.model != model or stage is None:
            continue
        if strategy in (None, choice.strategy) and temperature in (None, choice.temperature):
            points[choice.samples].append(stage.mean)
    return [(count, sum(values) / len(values)) for count, values in sorted(points.items())]


def fitted_curves(space: SearchSpace, trials: Sequence[Trial]) -> dict[str, dict[str, ScalingCurve]]:
    """A fitted ScalingCurve for each subtask and model that has a point."""
    curves: dict[str, dict[str, ScalingCurve]] = {}
    for subtask in space.subtasks:
        curves[subtask.name] = {}
        for model in subtask.models:
            points = stage_points(space, trials, subtask.name, model.name)
            if points:
                counts, scores = zip(*points, strict=True)
                curves[subtask.name][model.name] = fit_curve(counts, scores)
    return curves
