from __future__ import annotations

import pytest

import agenttts
from agent.comparison.arena import RECORDED, SIMULATED, Arena
from agent.comparison.opening import draw_of, open_arena
from agent.comparison.plan import Plan, SearcherEntry, TaskEntry
from environment.loading import load_task
from environment.task import HELD_OUT, SEARCH
from tools.errors import BudgetExceeded, InvalidInput, UnknownName
from tools.trial import StageScore


def plan(name: str, cost: str | None = None, **options: object) -> Plan:
    return Plan((TaskEntry(name, options),), (SearcherEntry("random"),), cost=cost)


def arena(name: str, seed: int = 1, cost: str | None = None, **options: object) -> Arena:
    asked = plan(name, cost, **options)
    return open_arena(asked, 0, draw_of(asked.tasks[0], seed))


def test_a_seed_is_a_draw_where_the_task_has_draws() -> None:
    assert draw_of(TaskEntry("simulated-2wiki"), 7) == 7
    assert draw_of(TaskEntry("simulated-2wiki", {"draw": 0}), 7) is None
    assert draw_of(TaskEntry("multihop-recorded"), 7) is None
    assert arena("simulated-2wiki", 7).task.options["draw"] == 7
    with pytest.raises(UnknownName, match="strategie"):
        draw_of(TaskEntry("multihop-recorded", {"strategie": "majority"}), 1)


def test_a_simulated_arena_tells_the_simulations_truth() -> None:
    place = arena("simulated-2wiki", 3)
    simulation = load_task("simulated-2wiki", draw=3).simulation
    assert simulation is not None
    budget = place.budget("medium")
    oracle = place.oracle(budget)
    assert place.source == SIMULATED
    assert place.true_score(oracle.allocation) == pytest.approx(oracle.score)
    score = place.scorer(budget)
    for number, allocation in zip(range(200), place.task.space.allocations(budget, place.task.cost), strict=False):
        assert place.true_score(allocation) == simulation.expected(allocation)["qa"] <= oracle.score + 1e-9
        if number % 50 == 0:
            told, known = score(allocation).stage_scores, simulation.scores(allocation, SEARCH)
            assert [stage.per_example for stage in told.values()] == [stage.per_example for stage in known.values()]
            assert place.held_out_score(allocation) == simulation.scores(allocation, HELD_OUT)["qa"].mean


@pytest.mark.parametrize("name", ["simulated-taskbench", "multihop-recorded"])
def test_an_arena_gives_a_searcher_what_a_session_gives_it(name: str) -> None:
    options = {"draw": 1} if name.startswith("simulated") else {}
    session = agenttts.run(name, None, "random", 8, 4, "sqlite://", batch=4, task_options=options)
    place = arena(name)
    score = place.scorer(session.config.budget)
    for trial in session.trials:
        outcome = score(trial.allocation)
        assert outcome.stage_scores == trial.stage_scores
        assert (outcome.usage.requested, outcome.usage.fresh) == (trial.usage.requested, trial.usage.fresh)
    held_out = session.evaluation("best")
    assert held_out is not None
    assert place.held_out_score(held_out.allocation) == pytest.approx(held_out.score.mean)


def test_the_recorded_oracle_is_the_best_held_out_mean_of_the_grid() -> None:
    place = arena("multihop-recorded")
    cheapest = place.task.space.cheapest(place.task.cost)
    budget = 2 * place.task.cost.total(place.task.space, cheapest)
    truths = {a: place.true_score(a) for a in place.task.space.allocations(budget, place.task.cost)}
    oracle = place.oracle(budget)
    assert place.source == RECORDED
    assert len(truths) > 3
    assert oracle.score == max(truths.values()) == truths[oracle.allocation]
    assert oracle.cost <= budget
    assert "held-out" in place.truth


@pytest.mark.parametrize("name", ["simulated-2wiki", "multihop-recorded"])
def test_over_budget_nothing_is_scored(name: str) -> None:
    place = arena(name)
    space, cost = place.task.space, place.task.cost
    cheapest = space.cheapest(cost)
    score = place.scorer(cost.total(space, cheapest))
    assert all(isinstance(stage, StageScore) for stage in score(cheapest).stage_scores.values())
    dear = next(a for a in space.allocations(float("inf"), cost) if a != cheapest)
    with pytest.raises(BudgetExceeded):
        score(dear)


def test_budget_words_are_the_tasks_own_or_shares_of_its_default() -> None:
    simulated = arena("simulated-2wiki")
    assert [simulated.budget(word) for word in ("low", "medium", "high", 123)] == [500, 900, 2000, 123]
    recorded = arena("multihop-recorded")
    default = recorded.task.space.default_budget(recorded.task.cost)
    assert [recorded.budget(word) for word in ("low", "default", "high")] == [default / 2, default, 2 * default]


def test_in_dollars_a_budget_word_keeps_its_share_of_the_default() -> None:
    flops, dollars = arena("simulated-2wiki"), arena("simulated-2wiki", cost="price")
    for word in ("low", "medium", "high"):
        assert dollars.budget(word) / dollars.budget("default") == pytest.approx(
            flops.budget(word) / flops.budget("default")
        )
    assert dollars.oracle(dollars.budget("low")).cost <= dollars.budget("low")


def test_a_live_task_is_refused() -> None:
    with pytest.raises(InvalidInput, match="simulated or a recorded task"):
        arena("multihop", models=["small:1e9@http://127.0.0.1:9/v1"])
