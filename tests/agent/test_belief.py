from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.belief.belief import Belief
from agent.belief.regression import Posterior, Prior
from agent.belief.response import Insights, Response, choice_tables, sample_counts
from agent.planner.frontier import Frontier
from agent.planner.searcher import PlannerSearcher
from agent.recommendation import recommend
from agent.search import Search
from agent.searcher import Problem
from tests.agent.test_searchers import drive, score, space
from tools.errors import InvalidInput
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, SearchSpace
from tools.trial import StageScore, Trial, TrialState


def problem_of(where: SearchSpace) -> Problem:
    return Problem(where, FlopsCost(), where.default_budget(FlopsCost()))


SMALL = problem_of(space(2, sample_counts=[1, 2, 4, 8, 16]))


def believed(trials: list[Trial], problem: Problem = SMALL) -> Belief:
    return Belief(problem, choice_tables(problem.space), Insights(), trials)


def trial(number: int, first: Choice, second: Choice, stages: tuple[float, float], *, staged: bool = True) -> Trial:
    allocation = Allocation({"s0": first, "s1": second})
    scores = {name: StageScore("F1", value) for name, value in zip(("s0", "s1"), stages, strict=True)}
    cost = SMALL.cost.total(SMALL.space, allocation)
    return Trial(number, allocation, cost, TrialState.COMPLETE, stage_scores=scores if staged else {}, score=stages[1])


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(0, 1000))
def test_the_posterior_is_that_of_bayes_theorem(rows: int, seed: int) -> None:
    """Against the textbook form with precision matrices, where one part alone is in the mixture."""
    rng = np.random.default_rng(seed)
    features, scores = rng.normal(size=(rows, 4)), rng.normal(size=rows) * 0.1
    prior = Prior(rng.normal(size=4) * 0.1, np.full(4, 0.5), np.zeros(4, dtype=bool))
    posterior = Posterior(features, scores, prior)
    expected = np.zeros(4)
    evidence = []
    parts = []
    for noise in (0.02, 0.04, 0.08):
        precision = np.eye(4) / 0.25 + features.T @ features / noise**2
        parts.append(np.linalg.solve(precision, prior.mean / 0.25 + features.T @ scores / noise**2))
        covariance = features @ features.T * 0.25 + noise**2 * np.eye(rows)
        residual = scores - features @ prior.mean
        _, determinant = np.linalg.slogdet(covariance)
        evidence.append(-0.5 * residual @ np.linalg.solve(covariance, residual) - 0.5 * determinant)
    shares = np.exp(np.array(evidence) - max(evidence))
    expected = (shares / shares.sum()) @ np.array(parts)
    assert posterior.mean == pytest.approx(expected, abs=1e-5)


def test_without_luck_the_belief_finds_the_surface() -> None:
    search = drive(Search(SMALL.space, None, "planner", 1), 60)
    belief = believed(list(search.trials))
    every = list(SMALL.space.allocations(SMALL.budget, SMALL.cost))
    truth = np.array([score(allocation)["s1"] for allocation in every])
    expected = np.array([belief.expected(allocation) for allocation in every])
    assert np.sqrt(np.mean((truth - expected) ** 2)) < 0.03


@pytest.mark.parametrize("staged", [True, False])
def test_a_lucky_outlier_is_not_recommended(staged: bool) -> None:
    """The 8b rises smoothly; one count of the 1b is far above its neighbours on both sides."""
    steady = [
        trial(i, Choice("8b", 4), Choice("8b", count), (0.7, 0.55 + 0.02 * i), staged=staged)
        for i, count in enumerate((1, 2, 4, 8, 16))
    ]
    weak = [
        trial(5 + i, Choice("8b", 4), Choice("1b", count), (0.7, 0.40 + 0.24 * (count == 4)), staged=staged)
        for i, count in enumerate((1, 2, 4, 8, 16))
    ]
    assert max(steady + weak, key=lambda t: t.score or 0).allocation["s1"] == Choice("1b", 4)
    recommended = recommend(SMALL, steady + weak)
    assert recommended is not None
    assert recommended.allocation["s1"].model == "8b"


def test_among_equals_the_cheaper_is_recommended() -> None:
    same = [trial(i, Choice("8b", count), Choice("8b", 4), (0.7, 0.6)) for i, count in enumerate((8, 4, 2))]
    recommended = recommend(SMALL, same)
    assert recommended is not None
    assert recommended.allocation["s0"].samples == 2
    assert recommend(SMALL, []) is None


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_the_frontier_ranks_exactly_what_fits(stages: int) -> None:
    problem = problem_of(space(stages, sample_counts=[1, 3, 9]))
    tables = choice_tables(problem.space)
    belief = believed(list(drive(Search(problem.space, None, "planner", 0), 12).trials), problem)
    ranked = list(Frontier(problem, tables).ranked(belief.mean()))
    every = list(problem.space.allocations(problem.budget, problem.cost))
    assert {allocation for allocation, _ in ranked} == set(every)
    assert len(ranked) == len(every)
    values = [value for _, value in ranked]
    assert values == sorted(values, reverse=True)
    best = max(every, key=belief.expected)
    assert belief.expected(ranked[0][0]) == pytest.approx(belief.expected(best))


def test_large_spaces_are_thinned_on_a_log_scale() -> None:
    counts = sample_counts(space(3, max_samples=100))
    assert counts[:3] == [1, 2, 3]
    assert counts[-1] == 100
    assert len(counts) <= (250_000 / 27) ** (1 / 3)
    assert sample_counts(space(2, max_samples=100)) == list(range(1, 101))


@pytest.mark.parametrize("scale", [2.0**10, 2.0**-20])
def test_the_scale_of_an_objective_does_not_matter(scale: float) -> None:
    # Powers of two scale without rounding.
    def run(factor: float) -> list[Allocation]:
        search = Search(space(2, max_samples=30), None, "planner", 3)
        while len(search.trials) < 25:
            for asked in search.ask(5):
                search.tell(asked, stage_scores={n: v * factor for n, v in score(asked.allocation).items()})
        return [t.allocation for t in search.trials]

    assert run(scale) == run(1.0)


def test_an_objective_without_stage_scores_is_searched() -> None:
    where = space(2, max_samples=40)
    search = Search(where, None, "planner", 4)
    while len(search.trials) < 50:
        for asked in search.ask(10, at_most=50 - len(search.trials)):
            search.tell(asked, score=score(asked.allocation)["s1"])
    values = [score(a)["s1"] for a in where.allocations(search.problem.budget, search.problem.cost)]
    assert search.best is not None
    assert search.best.score is not None
    assert search.best.score >= np.quantile(values, 0.98)


@pytest.mark.parametrize("without", [[1], [2], [3], [1, 2, 3], 2])
def test_insights_can_be_left_out(without: object) -> None:
    full, ablated = (
        drive(Search(space(2, max_samples=30), None, "planner", 3, **options), 30)
        for options in ({}, {"without": without})
    )
    assert len(ablated.trials) == 30
    assert [t.allocation for t in ablated.trials] != [t.allocation for t in full.trials]


@pytest.mark.parametrize("without", [[4], ["2"], [True], [[1]], "1", [1, 1]])
def test_an_unknown_insight_is_refused(without: object) -> None:
    with pytest.raises(InvalidInput, match="without"):
        PlannerSearcher(SMALL, 0, without=without)  # type: ignore[arg-type]


def test_reasons_and_guidelines_name_what_was_learnt() -> None:
    search = drive(Search(space(2, max_samples=30), None, "planner", 0), 30)
    reasons = " ".join(trial.reason for trial in search.trials)
    for insight in ("Insight 1", "Insight 2", "Insight 3"):
        assert insight in reasons
    text = search.guidelines[-1].text
    assert "Best so far" in text
    assert "s0: preferred" in text
    assert not math.isnan(float(text.split()[3]))


@pytest.mark.parametrize("staged", [True, False])
@pytest.mark.slow
def test_an_estimate_is_the_mean_and_deviation_of_what_is_possible(staged: bool) -> None:
    """The closed form, with its first-order coupling, against draws from the posterior."""
    trials = list(drive(Search(SMALL.space, None, "planner", 1), 30).trials)
    belief = believed(trials if staged else [replace(trial, stage_scores={}) for trial in trials])
    chosen = list(SMALL.space.allocations(SMALL.budget, SMALL.cost))[::11]
    rng = np.random.default_rng(0)
    drawn = np.array([[final(belief, responses, a) for a in chosen] for responses in _draws(belief, rng, 1500)])
    estimates = belief.estimates(chosen)
    assert [e.mean for e in estimates] == pytest.approx([belief.expected(a) for a in chosen])
    assert [e.deviation for e in estimates] == pytest.approx(drawn.std(axis=0), rel=0.15)


def test_a_curve_is_a_subtasks_own_score_after_the_choices_before_it() -> None:
    search = drive(Search(SMALL.space, None, "planner", 1), 60)
    belief, tables = believed(list(search.trials)), choice_tables(SMALL.space)
    assert search.best is not None
    best = search.best.allocation
    for position, name in enumerate(best):
        curve = belief.curve(position, best)
        assert len(curve) == len(tables[position])
        truth = [score(best.replace(name, choice))[name] for choice in tables[position].choices]
        within = [abs(e.mean - t) <= 3 * e.deviation + 0.02 for e, t in zip(curve, truth, strict=True)]
        assert np.mean(within) > 0.9
    last = belief.curve(1, best)[tables[1].nearest(best["s1"])]
    assert last.mean == pytest.approx(belief.expected(best))


def test_what_was_tried_often_is_surer_than_what_was_not() -> None:
    trials = [trial(i, Choice("8b", count), Choice("8b", 4), (0.7, 0.6)) for i, count in enumerate((1, 2, 4, 8))]
    known, unknown = (Allocation({"s0": Choice(m, 4), "s1": Choice(m, 4)}) for m in ("8b", "1b"))
    sure, unsure = believed(trials).estimates([known, unknown])
    assert sure.deviation < unsure.deviation / 2
    assert believed(trials).estimates([]) == []


def _draws(belief: Belief, rng: np.random.Generator, count: int) -> Iterator[list[Response]]:
    draws = belief.samples(rng, count)
    return ([draw.one(place) for draw in draws] for place in range(count))


def final(belief: Belief, responses: list[Response], allocation: Allocation) -> float:
    """The final score of an allocation by the responses of a draw."""
    value = np.zeros(1)
    for table, response, choice in zip(choice_tables(SMALL.space), responses, allocation.values(), strict=True):
        value = response.at(value)[:, table.nearest(choice)]
    return belief._scale.score(float(value[0]))
