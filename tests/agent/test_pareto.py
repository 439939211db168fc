"""Fronts: found in one session, judged on held-out examples, resumed like others."""

from __future__ import annotations

import math
import signal
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import agenttts as tts
from agent.planner.front_batch import budget_levels
from agent.recommendation import expected_scores, recommend_front
from agent.search import Search
from agent.searcher import Problem
from agenttts.testing.searchers import drive, problem_of, space
from environment.loading import load_task
from environment.task import HELD_OUT
from storage.archive import Archive
from storage.database import Database
from storage.session import SessionState
from tests.tools.drawn_problems import capped_problems
from tools.cost import CostModel
from tools.errors import InvalidInput
from tools.flops import FlopsCost
from tools.front import hypervolume
from tools.limits import Cap
from tools.price import PriceCost
from tools.space import SearchSpace

TASK = "simulated-2wiki"


def url(path: Path) -> str:
    return f"sqlite:///{path / 'front.db'}"


def test_the_front_rises_in_cost_and_in_expectation_and_is_judged_on_held_out_examples(tmp_path: Path) -> None:
    found = tts.pareto(TASK, trials=14, storage=url(tmp_path))
    problem = Problem(load_task(TASK).space, FlopsCost(), found.result.config.budget)
    assert [point.trial for point in found.points] == recommend_front(problem, found.result.trials)
    expected = expected_scores(problem, found.result.trials)
    assert len(found.points) > 3
    for low, high in zip(found.points, found.points[1:], strict=False):
        assert low.cost < high.cost
        assert expected[low.trial.number] < expected[high.trial.number]
    for point in found.points:
        assert point.held_out.split == HELD_OUT
        assert len(point.held_out.score.per_example) == 500
        assert point.held_out.allocation == point.allocation
    assert tts.load_front("last", url(tmp_path)) == found


def test_the_largest_budget_is_twice_that_of_a_search_and_a_budget_buys_the_dearest_point_it_fits(
    tmp_path: Path,
) -> None:
    task = load_task(TASK)
    found = tts.pareto(TASK, trials=10, storage=url(tmp_path))
    assert found.result.config.budget == pytest.approx(2 * task.space.default_budget(task.cost))
    assert found.within(math.inf) == found.points[-1]
    assert found.within(found.points[1].cost) == found.points[1]
    assert found.within(found.points[0].cost * 0.99) is None


def test_a_front_that_was_stopped_is_resumed_like_any_session(tmp_path: Path) -> None:
    whole = tts.pareto(TASK, trials=12, batch=4, seed=2, storage=url(tmp_path), caps={"price": 0.002})

    class Stop:
        def session_started(self, *_: object) -> None: ...
        def judging_started(self) -> None: ...
        def samples_generated(self, *_: object) -> None: ...
        def guideline_written(self, _: object) -> None: ...

        def trial_finished(self, trial: tts.Trial, _: object) -> None:
            if trial.number == 6:
                signal.raise_signal(signal.SIGINT)  # as Ctrl-C

    with pytest.raises(KeyboardInterrupt):
        tts.pareto(TASK, trials=12, batch=4, seed=2, storage=url(tmp_path), caps={"price": 0.002}, observer=Stop())
    with Database.open(url(tmp_path)) as database:
        stopped = Archive(database).session("last")
    assert stopped.state is SessionState.INTERRUPTED
    assert tts.load_front(stopped.id, url(tmp_path)).points == ()
    tts.resume(stopped.id, url(tmp_path))
    resumed = tts.load_front(stopped.id, url(tmp_path))
    assert [point.to_dict() for point in resumed.points] == [point.to_dict() for point in whole.points]
    price = PriceCost()
    assert all(price.total(load_task(TASK).space, point.allocation) <= 0.002 for point in resumed.points)


def test_a_session_for_one_budget_has_no_front(tmp_path: Path) -> None:
    tts.run(TASK, trials=8, storage=url(tmp_path))
    with pytest.raises(InvalidInput, match="searched for one budget"):
        tts.load_front("last", url(tmp_path))


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="figures need matplotlib, which is not installed")
def test_the_figure_is_the_same_each_time_and_holds_every_allocation(tmp_path: Path) -> None:
    found = tts.pareto(TASK, trials=12, storage=url(tmp_path))
    first, again = (found.plot(tmp_path / name).read_text() for name in ("one.svg", "two.svg"))
    assert first == again
    assert "simulated" in first
    for point in found.points:
        assert str(point.allocation) in first
    with pytest.raises(InvalidInput, match=r"'front.gif' must end in one of: svg"):
        found.plot(tmp_path / "front.gif")
    with pytest.raises(InvalidInput, match="cannot be written"):
        found.plot(tmp_path / "nowhere" / "front.svg")
    with pytest.raises(InvalidInput, match="no judged front yet"):
        tts.Front(found.result, ()).plot(tmp_path / "front.svg")


@pytest.mark.skipif(find_spec("pandas") is None, reason="tables need pandas, which is not installed")
def test_the_table_has_a_row_a_point(tmp_path: Path) -> None:
    found = tts.pareto(TASK, trials=12, storage=url(tmp_path))
    frame = found.to_dataframe()
    assert len(frame) == len(found.points)
    assert list(frame["cost"]) == [point.cost for point in found.points]
    assert {"retrieval.model", "qa.samples", "held_out_score", "search_low"} <= set(frame.columns)


def test_the_front_planner_covers_all_budgets_where_the_planner_looks_at_one() -> None:
    where = space(2, max_samples=40)
    problem = problem_of(where, FlopsCost())
    least = FlopsCost().total(where, where.cheapest(FlopsCost()))

    def covered(searcher: str) -> float:
        trials = drive(Search(where, None, searcher, 1), 20).trials
        return hypervolume([(t.cost, t.score or 0.0) for t in trials], least, problem.budget, log=True)

    assert covered("planner-front") > covered("planner") + 0.02


@settings(max_examples=40)
@given(capped_problems())
def test_the_levels_go_from_the_cheapest_feasible_cost_to_the_budget(
    problem: tuple[SearchSpace, CostModel, float, tuple[Cap, ...]],
) -> None:
    where, cost, budget, caps = problem
    levels = budget_levels(Problem(where, cost, budget, caps=caps), 5)
    totals = [cost.total(where, allocation) for allocation in where.allocations(budget, cost, caps)]
    assert levels[0] == pytest.approx(min(totals))
    assert levels[-1] <= budget + 1e-6 * max(1.0, abs(budget))
    assert levels[-1] >= max(totals) - 1e-6 * max(1.0, abs(max(totals)))
    assert (np.diff(levels) >= -1e-9).all()
    unbounded = budget_levels(Problem(where, cost, math.inf, caps=caps), 5)
    assert np.isfinite(unbounded).all()


def test_searchers_for_one_budget_can_be_asked_for_a_front_too(tmp_path: Path) -> None:
    for name in ("tpe-front", "nsga2-front", "random"):
        found = tts.pareto(TASK, trials=12, storage=url(tmp_path), searcher=name)
        assert found.result.config.searcher == name
        assert found.points
    assert replace(found, points=()).within(1e9) is None
