"""Each searcher by itself on each task and budget: scores, regret, arrivals, generations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from agent.comparison.plan import Plan
from agent.comparison.record import Run, Step
from agent.comparison.resampling import arrival_quantile, bootstrap_bands, bootstrap_mean
from tools.statistics import wilson_interval

Row = dict[str, Any]


def by_searcher(runs: Iterable[Run]) -> dict[tuple[str, str, str], list[Run]]:
    """The runs by (task, budget, searcher), in their order."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.task, run.budget, run.searcher), []).append(run)
    return groups


def summary_rows(plan: Plan, runs: Sequence[Run]) -> list[Row]:
    """One row for each task, budget and searcher, over the seeds."""
    return [_summary(plan, group) for group in by_searcher(runs).values()]


def _summary(plan: Plan, runs: Sequence[Run]) -> Row:
    scored = [run for run in runs if run.recommended and run.best]
    first = next((run for run in runs if run.oracle), runs[0])
    arrivals = [run.arrival(plan.within) for run in runs]
    stays = [run.stay(plan.within) for run in runs]
    reached = sum(step is not None for step in arrivals)
    share = wilson_interval(reached / len(runs), len(runs))
    row: Row = {
        "source": first.source,
        "task": first.task,
        "budget": first.budget,
        "budget_value": first.budget_value,
        "unit": first.unit,
        "searcher": first.searcher,
        "runs": len(runs),
        "failed": sum(bool(run.error) for run in runs),
        "oracle_score": _mean([run.oracle.score for run in runs if run.oracle]),
    }
    for rule in ("recommended", "best"):
        picks = [(run, getattr(run, rule)) for run in scored]
        row |= _estimate(f"{rule}_true_score", [pick.true_score for _, pick in picks])
        row |= _estimate(f"{rule}_regret", [run.regret(pick.true_score) for run, pick in picks])
        row |= _estimate(f"{rule}_held_out_score", [pick.held_out_score for _, pick in picks])
        row[f"{rule}_within"] = sum(run.arrived(pick.true_score, plan.within) for run, pick in picks)
    for trial in plan.checkpoints:
        for rule, after in (("recommended", Run.recommended_after), ("best", Run.best_after)):
            scores = [(run, after(run, trial)) for run in scored]
            row |= _estimate(f"{rule}_regret_after_{trial}", [run.regret(s) for run, s in scores if s is not None])
    return row | {
        "reached": reached,
        "reached_share": reached / len(runs),
        "reached_share_low": share.low,
        "reached_share_high": share.high,
        **_times("oracle", plan, arrivals),
        "stayed": sum(step is not None for step in stays),
        **_times("stay", plan, stays),
        "generations": _mean([run.generations for run in runs]),
        "generations_without_reuse": _mean([run.requested for run in runs]),
        "agent_calls": _mean([run.agent.calls for run in runs]),
        "agent_prompt_tokens": _mean([run.agent.prompt_tokens for run in runs]),
        "agent_generation_tokens": _mean([run.agent.generation_tokens for run in runs]),
        "searcher_seconds": _mean([run.seconds for run in runs]),
    }


def band_rows(plan: Plan, runs: Sequence[Run]) -> list[Row]:
    """The mean trajectory of each task, budget and searcher with pointwise 95% bands over the seeds.

    A run that ended early, because its space was exhausted or it failed, stays where it stopped.
    """
    rows: list[Row] = []
    for group in by_searcher(runs).values():
        going = [run for run in group if run.steps]
        if not going:
            continue
        reached = np.maximum.accumulate(
            _matrix(plan, going, lambda run, i: run.arrived(run.steps[i].best_true_score, plan.within)), axis=1
        ).mean(axis=0)
        bands = {
            name: bootstrap_bands(_matrix(plan, going, value))
            for name, value in (
                ("best_search_score", lambda run, i: run.steps[i].best_search_score),
                ("best_true_score", lambda run, i: run.steps[i].best_true_score),
                ("regret", lambda run, i: run.regret(run.steps[i].best_true_score)),
                ("generations", lambda run, i: run.steps[i].generations),
            )
        }
        labels = {name: value for name, value in going[0].labels.items() if name != "seed"} | {"runs": len(going)}
        for trial in range(plan.trials):
            row = labels | {"trial": trial + 1}
            for name, (mean, low, high) in bands.items():
                row |= {name: float(mean[trial])}
                row |= {f"{name}_low": float(low[trial]), f"{name}_high": float(high[trial])}
            # A bootstrap of a share of none or all would have no width.
            share = wilson_interval(float(reached[trial]), len(going))
            row |= {"reached_share": float(reached[trial])}
            row |= {"reached_share_low": share.low, "reached_share_high": share.high}
            rows.append(row)
    return rows


def _matrix(plan: Plan, runs: Sequence[Run], value: Callable[[Run, int], float]) -> Any:
    return np.array(
        [[value(run, min(i, len(run.steps) - 1)) for i in range(plan.trials)] for run in runs], dtype=np.float64
    )


def _estimate(name: str, values: Sequence[float]) -> Row:
    found = bootstrap_mean(values) if values else None
    return {
        name: found.mean if found else None,
        f"{name}_low": found.low if found else None,
        f"{name}_high": found.high if found else None,
    }


def _times(name: str, plan: Plan, events: Sequence[Step | None]) -> Row:
    trials = [None if step is None else step.trial for step in events]
    generations = [None if step is None else step.generations for step in events]
    without_reuse = [None if step is None else step.requested for step in events]
    # Up to the horizon: a run where it never happened counts with all its trials, which is a lower bound.
    restricted = [plan.trials if trial is None else trial for trial in trials]
    return {
        **_quartiles(f"trials_to_{name}", trials),
        **_estimate(f"restricted_trials_to_{name}", restricted),
        **_quartiles(f"generations_to_{name}", generations),
        **_quartiles(f"generations_to_{name}_without_reuse", without_reuse),
    }


def _quartiles(name: str, times: Sequence[float | None]) -> Row:
    return {
        f"{name}_median": arrival_quantile(times),
        f"{name}_first_quartile": arrival_quantile(times, 0.25),
        f"{name}_third_quartile": arrival_quantile(times, 0.75),
    }


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return fmean(finite) if finite else None
