"""Searchers against the reference on the same problems: differences, tests, wins and losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from agent.comparison.metrics import Metric, metrics
from agent.comparison.plan import Plan
from agent.comparison.record import Run
from agent.comparison.resampling import Estimate, bootstrap_mean, holm, signed_rank

ALL = "all"


@dataclass(frozen=True, slots=True)
class Pair:
    """A searcher's and the reference's value on one problem: task, budget and seed."""

    task: str
    budget: str
    unit: tuple[str, int]
    """What is independent of the other units: the task itself and its seed."""
    ours: float | None
    theirs: float | None


@dataclass(frozen=True, slots=True)
class PairedRow:
    """A searcher against the reference by one metric, on one task and budget or on all.

    `effect` is the mean of searcher minus reference or, where `effect_is` says ratio, the geometric
    mean of searcher / reference. It, its 95% interval and the p-value are over `units` independent
    units. `p_holm` is corrected over every searcher, task and budget that the metric is tested on
    in one table: the row for all, or the single ones. Wins, ties and losses count problems, from
    the searcher's side; `unmeasured` of them had a side without a value and are in no mean or test.
    """

    metric: str
    title: str
    task: str
    budget: str
    searcher: str
    reference: str
    effect_is: str
    effect: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    units: int
    wins: int
    ties: int
    losses: int
    unmeasured: int

    def to_dict(self) -> dict[str, Any]:
        """The row in plain values."""
        return asdict(self)


def paired_rows(plan: Plan, runs: Sequence[Run]) -> list[PairedRow]:
    """Every searcher against the reference by every metric: on all problems, then by task and budget."""
    by_problem: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        by_problem.setdefault((run.task, run.budget), []).append(run)
    rows: list[PairedRow] = []
    for metric in metrics(plan.within, plan.trials, plan.checkpoints):
        pairs = _pairs(plan, metric, by_problem)
        single = [
            _row(plan, metric, task, budget, searcher, [p for p in of if (p.task, p.budget) == (task, budget)])
            for task, budget in by_problem
            for searcher, of in pairs.items()
        ]
        together = [_row(plan, metric, ALL, ALL, searcher, of) for searcher, of in pairs.items()]
        if len(by_problem) > 1:
            rows += _corrected(together)
        rows += _corrected(single)
    return rows


def _pairs(plan: Plan, metric: Metric, by_problem: Mapping[tuple[str, str], list[Run]]) -> dict[str, list[Pair]]:
    pairs: dict[str, list[Pair]] = {e.label: [] for e in plan.searchers if e.label != plan.reference}
    for (task, budget), runs in by_problem.items():
        values = {(run.searcher, run.seed): v for run, v in zip(runs, metric.values(runs), strict=True)}
        for run in runs:
            if run.searcher in pairs:
                theirs = values[plan.reference, run.seed]
                unit = (run.problem, run.seed)
                pairs[run.searcher].append(Pair(task, budget, unit, values[run.searcher, run.seed], theirs))
    return pairs


def _row(plan: Plan, metric: Metric, task: str, budget: str, searcher: str, pairs: Sequence[Pair]) -> PairedRow:
    units = _unit_differences(metric, pairs)
    outcomes = [metric.outcome(pair.ours, pair.theirs, plan.tie_tolerance) for pair in pairs]
    estimate = bootstrap_mean(list(units.values()), [problem for problem, _ in units]) if units else None
    effect, low, high = _on_scale(metric, estimate)
    return PairedRow(
        metric=metric.name,
        title=metric.title,
        task=task,
        budget=budget,
        searcher=searcher,
        reference=plan.reference,
        effect_is="ratio" if metric.ratio else "difference",
        effect=effect,
        low=low,
        high=high,
        p=signed_rank(list(units.values())) if len(units) > 1 else None,
        p_holm=None,
        units=len(units),
        wins=outcomes.count(1),
        ties=outcomes.count(0),
        losses=outcomes.count(-1),
        unmeasured=sum(pair.ours is None or pair.theirs is None for pair in pairs),
    )


def _unit_differences(metric: Metric, pairs: Sequence[Pair]) -> dict[tuple[str, int], float]:
    """One difference for each independent unit.

    Budgets and variants of one task share the seed's surface and examples: their differences are
    averaged, since counting them as independent would make the interval too narrow.
    """
    found: dict[tuple[str, int], list[float]] = {}
    for pair in pairs:
        if pair.ours is not None and pair.theirs is not None:
            found.setdefault(pair.unit, []).append(metric.difference(pair.ours, pair.theirs))
    return {unit: fmean(values) for unit, values in found.items()}


def _on_scale(metric: Metric, estimate: Estimate | None) -> tuple[float | None, float | None, float | None]:
    if estimate is None:
        return None, None, None
    if not metric.ratio:
        return estimate.mean, estimate.low, estimate.high
    low, high = (None if bound is None else math.exp(bound) for bound in (estimate.low, estimate.high))
    return math.exp(estimate.mean), low, high


def _corrected(rows: Sequence[PairedRow]) -> list[PairedRow]:
    tested = [row.p for row in rows if row.p is not None]
    adjusted = iter(holm(tested))
    return [replace(row, p_holm=None if row.p is None else next(adjusted)) for row in rows]
