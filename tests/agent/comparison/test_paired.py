"""Statistics on runs that are made up, so that the right answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from agent.comparison.paired import ALL, PairedRow, paired_rows
from agent.comparison.plan import Plan, SearcherEntry, TaskEntry
from agent.comparison.record import Pick, Run, Step
from agent.comparison.summary import band_rows, summary_rows
from environment.simulation import Optimum
from tools.space import Allocation, Choice

ALLOCATION = Allocation({"qa": Choice("small", 1)})
ORACLE = Optimum(ALLOCATION, 0.8, 1.0)
SEEDS, TRIALS = 8, 4


def plan(tasks: Sequence[str] = ("t",), budgets: Sequence[str] = ("low",), searchers: str = "ab") -> Plan:
    return Plan(
        tuple(TaskEntry("t", label=label) for label in tasks),
        tuple(SearcherEntry("random", label=label) for label in searchers),
        seeds=SEEDS,
        trials=TRIALS,
        budgets=tuple(budgets),
    )


def run(
    searcher: str, seed: int, truths: Sequence[float], *, task: str = "t", budget: str = "low", generations: int = 100
) -> Run:
    """A run whose search scores are the true ones, each trial taking `generations`."""
    best, steps = -1.0, []
    for trial, truth in enumerate(truths, start=1):
        best = max(best, truth)
        count = trial * generations
        steps.append(Step(trial, 0, ALLOCATION, 1.0, truth, truth, best, best, count, 2 * count))
    pick = Pick(1, ALLOCATION, 1.0, best, best, best) if steps else None
    error = "" if steps else "ValueError: broken"
    return Run(
        task, "t", "simulated", budget, 1.0, "units", seed, searcher, ORACLE, tuple(steps), pick, pick, error=error
    )


def rows(plan_: Plan, runs: Sequence[Run], metric: str, task: str = "t", budget: str = "low") -> dict[str, PairedRow]:
    found = [r for r in paired_rows(plan_, runs) if (r.metric, r.task, r.budget) == (metric, task, budget)]
    return {row.searcher: row for row in found}


def test_a_constant_lead_is_found_and_won_everywhere() -> None:
    runs = [
        run(s, seed, [0.5, 0.6 + 0.01 * seed + lead]) for seed in range(SEEDS) for s, lead in (("a", 0), ("b", 0.02))
    ]
    row = rows(plan(), runs, "recommended_true_score")["b"]
    assert (row.effect, row.low, row.high) == (pytest.approx(0.02), pytest.approx(0.02), pytest.approx(0.02))
    assert (row.wins, row.ties, row.losses, row.units, row.unmeasured) == (SEEDS, 0, 0, SEEDS, 0)
    assert row.p == pytest.approx(2 / 2**SEEDS)


def test_scores_within_the_tolerance_tie() -> None:
    runs = [run(s, seed, [0.6 + lead]) for seed in range(SEEDS) for s, lead in (("a", 0), ("b", 0.005))]
    row = rows(plan(), runs, "best_true_score")["b"]
    assert (row.wins, row.ties, row.losses) == (0, SEEDS, 0)
    assert row.effect == pytest.approx(0.005), "a tie still counts in the mean"


def test_p_values_are_corrected_over_the_searchers() -> None:
    runs = [run(s, seed, [0.6 + lead]) for seed in range(SEEDS) for s, lead in (("a", 0), ("b", 0.02), ("c", 0.03))]
    found = rows(plan(searchers="abc"), runs, "held_out_score")
    assert [found[s].p_holm for s in "bc"] == [pytest.approx(2 * row.p) for row in found.values() if row.p]


def test_runs_that_never_arrive_lose_against_those_that_do_and_are_not_dropped() -> None:
    arrives, never = [0.5, 0.795], [0.5, 0.5, 0.5, 0.5]
    runs = [run(s, seed, arrives if s == "a" or seed < 2 else never) for seed in range(SEEDS) for s in "ab"]
    row = rows(plan(), runs, "trials_to_oracle")["b"]
    assert (row.wins, row.ties, row.losses, row.units) == (0, 2, SEEDS - 2, SEEDS)
    assert row.effect == pytest.approx((TRIALS + 1 - 2) * (SEEDS - 2) / SEEDS)
    both_never = [run(s, seed, never) for seed in range(SEEDS) for s in "ab"]
    row = rows(plan(), both_never, "trials_to_oracle")["b"]
    assert (row.ties, row.effect, row.p) == (SEEDS, 0.0, 1.0)


def test_generations_are_compared_by_their_ratio() -> None:
    runs = [run(s, seed, [0.5, 0.8], generations=n) for seed in range(SEEDS) for s, n in (("a", 100), ("b", 300))]
    row = rows(plan(), runs, "generations_to_oracle")["b"]
    assert row.effect_is == "ratio"
    assert (row.effect, row.losses) == (pytest.approx(3.0), SEEDS)


def test_a_run_without_any_trial_loses_and_is_in_no_mean() -> None:
    runs = [run(s, seed, [] if (s, seed) == ("b", 0) else [0.6]) for seed in range(SEEDS) for s in "ab"]
    row = rows(plan(), runs, "recommended_true_score")["b"]
    assert (row.losses, row.ties, row.unmeasured, row.units) == (1, SEEDS - 1, 1, SEEDS - 1)
    assert row.effect == 0.0
    (summary,) = [r for r in summary_rows(plan(), runs) if r["searcher"] == "b"]
    assert (summary["runs"], summary["failed"], summary["recommended_true_score"]) == (SEEDS, 1, pytest.approx(0.6))


def test_budgets_and_variants_of_a_problem_are_one_unit() -> None:
    places = [(task, budget) for task in ("t", "t, more examples") for budget in ("low", "high")]
    runs = [
        run(s, seed, [0.6 + (0.01 * seed if s == "b" else 0)], task=task, budget=budget)
        for task, budget in places
        for seed in range(SEEDS)
        for s in "ab"
    ]
    whole = plan(["t", "t, more examples"], ["low", "high"])
    together = rows(whole, runs, "recommended_true_score", ALL, ALL)["b"]
    single = rows(whole, runs, "recommended_true_score")["b"]
    assert together.units == single.units == SEEDS
    assert (together.effect, together.low, together.p) == pytest.approx((single.effect, single.low, single.p))
    assert together.wins == 4 * single.wins


def test_summary_and_bands_of_censored_runs() -> None:
    runs = [run("a", seed, [0.5, 0.8] if seed < 3 else [0.5] * TRIALS) for seed in range(SEEDS)]
    (summary,) = summary_rows(plan(searchers="a"), runs)
    assert (summary["reached"], summary["trials_to_oracle_median"]) == (3, None)
    assert summary["trials_to_oracle_first_quartile"] == 2
    assert summary["restricted_trials_to_oracle"] == pytest.approx((3 * 2 + 5 * TRIALS) / SEEDS)
    bands = band_rows(plan(searchers="a"), runs)
    assert [row["trial"] for row in bands] == [1, 2, 3, 4]
    assert [row["reached_share"] for row in bands] == pytest.approx([0, 3 / 8, 3 / 8, 3 / 8])
    assert bands[3]["best_true_score"] == pytest.approx((3 * 0.8 + 5 * 0.5) / SEEDS), "an ended run stays where it was"
    assert bands[3]["regret"] == pytest.approx(0.8 - bands[3]["best_true_score"])


def test_an_arrival_by_luck_is_no_stay() -> None:
    """Here the search score of the last trial is the highest although it is truly worse."""
    lucky = run("a", 0, [0.5, 0.8, 0.5, 0.8])
    left = replace(lucky, steps=tuple(replace(step, best_true_score=step.true_score) for step in lucky.steps))
    assert (left.arrival(0.01), left.stay(0.01)) == (left.steps[1], left.steps[3])
    assert replace(left, steps=left.steps[:3]).stay(0.01) is None
    assert lucky.stay(0.01) == lucky.arrival(0.01) == lucky.steps[1]
    (row,) = summary_rows(plan(searchers="a"), [left])
    assert (row["reached"], row["trials_to_oracle_median"]) == (1, 2)
    assert (row["stayed"], row["trials_to_stay_median"]) == (1, 4)
