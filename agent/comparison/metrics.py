"""What a run is judged by, and how runs that never arrived count."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.comparison.record import Run, Step

ROUNDING = 1e-12


@dataclass(frozen=True)
class Metric:
    """A figure of a run, by which searchers are paired.

    `value` gives it, or None. `never`, where there is one, gives what None stands for among the
    runs of one task and budget: a time later than any that was seen (worst-rank imputation, Lachin
    1999), so that runs that did not arrive rank last and are not dropped. Without it None means
    that the run failed before its first trial. `ratio` says that values are compared by their
    quotient, since their scale differs between tasks.
    """

    name: str
    title: str
    higher_is_better: bool
    value: Callable[[Run], float | None]
    never: Callable[[Sequence[Run]], float] | None = None
    ratio: bool = False

    def values(self, runs: Sequence[Run]) -> list[float | None]:
        """The figures of the runs of one task and budget, all searchers together."""
        values = [self.value(run) for run in runs]
        if self.never is None:
            return values
        never = self.never(runs)
        return [never if value is None else value for value in values]

    def difference(self, ours: float, theirs: float) -> float:
        """How far two values are apart: their difference, or the logarithm of their quotient."""
        return math.log(ours / theirs) if self.ratio else ours - theirs

    def outcome(self, ours: float | None, theirs: float | None, tolerance: float) -> int:
        """1 when ours wins, -1 when it loses, 0 for a tie; no value loses against any.

        The tolerance is for scores; trials and generations tie when they are equal.
        """
        if ours is None or theirs is None:
            return (ours is not None) - (theirs is not None)
        ahead = ours - theirs if self.higher_is_better else theirs - ours
        slack = ROUNDING + (tolerance if self.higher_is_better else 0.0)
        return (ahead > slack) - (ahead < -slack)


def metrics(within: float, trials: int, checkpoints: Sequence[int]) -> tuple[Metric, ...]:
    """The metrics of a comparison; the first is the one that its conclusion rests on.

    Both true scores also after each of the `checkpoints`, but for the last trial.
    """
    near = f"{100 * within:g}% of the oracle"

    return (
        Metric(
            "recommended_true_score",
            "true score (recommended)",
            True,
            lambda run: run.recommended.true_score if run.recommended else None,
        ),
        Metric(
            "best_true_score",
            "true score (best searched)",
            True,
            lambda run: run.best.true_score if run.best else None,
        ),
        Metric(
            "held_out_score",
            "held-out score (recommended)",
            True,
            lambda run: run.recommended.held_out_score if run.recommended else None,
        ),
        *(metric for trial in checkpoints if trial < trials for metric in _scores_after(trial)),
        *_times("oracle", f"to {near}", trials, lambda run: run.arrival(within)),
        *_times("stay", f"to stay within {near}", trials, lambda run: run.stay(within)),
    )


def _scores_after(trial: int) -> tuple[Metric, Metric]:
    """The true scores of both rules after a number of trials."""
    return (
        Metric(
            f"recommended_true_score_after_{trial}",
            f"true score after {trial} trials (recommended)",
            True,
            lambda run: run.recommended_after(trial),
        ),
        Metric(
            f"best_true_score_after_{trial}",
            f"true score after {trial} trials (best searched)",
            True,
            lambda run: run.best_after(trial),
        ),
    )


def _times(name: str, title: str, trials: int, event: Callable[[Run], Step | None]) -> tuple[Metric, Metric]:
    """When something happened in a run, in trials and in generations."""
    return (
        Metric(
            f"trials_to_{name}",
            f"trials {title}",
            False,
            lambda run: None if (step := event(run)) is None else step.trial,
            never=lambda _: trials + 1,
        ),
        Metric(
            f"generations_to_{name}",
            f"generations {title}",
            False,
            lambda run: None if (step := event(run)) is None else step.generations,
            never=lambda runs: 1 + max(run.generations for run in runs),
            ratio=True,
        ),
    )
