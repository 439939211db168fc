"""Searchers on spaces that list strategies and temperatures."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import optuna
import pytest

import agenttts as tts
from agent.belief.belief import Belief
from agent.belief.response import Insights, choice_tables
from agent.feasible import FeasibleSpace
from agent.initial_trials import initial_trials
from agent.judging import BEST, naive_allocation
from agent.optuna_gp import PlainParameters
from agent.optuna_parameters import BoxParameters, Parameters, TreeParameters
from agent.search import Search
from agenttts.testing.searchers import PROBLEMS, drive, problem_of, score, space
from environment.loading import load_task
from environment.task import HELD_OUT
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, Subtask

LISTED: list[dict[str, Any]] = [
    {"strategies": ["majority", "fusion"]},
    {"strategies": ["fusion", "majority"], "temperatures": [0.9, 0]},
]
SPACE = space(2, LISTED, sample_counts=[1, 2, 4, 8])


class Dear(FlopsCost):
    """Fusion costs more, also of one sample."""

    def subtask(self, subtask: Subtask, choice: Choice) -> float:
        return super().subtask(subtask, choice) + (50.0 if choice.strategy == "fusion" else 0.0)


def test_initial_trials_compare_models_and_nothing_else() -> None:
    proposals = [proposal.allocation for proposal in initial_trials(problem_of(SPACE, FlopsCost()), "planner")]
    plain = initial_trials(problem_of(space(2, sample_counts=[1, 2, 4, 8]), FlopsCost()), "planner")
    assert len(proposals) == len(plain)
    assert {allocation["s0"].strategy for allocation in proposals} == {"majority"}
    assert {(a["s1"].strategy, a["s1"].temperature) for a in proposals} == {("fusion", 0.9)}


def test_a_model_whose_usual_variant_does_not_fit_is_compared_with_another() -> None:
    where = space(1, [{"strategies": ["fusion", "majority"]}], sample_counts=[1, 2])
    problem = problem_of(where, Dear(), 30.0)
    chosen = {p.allocation["s0"] for p in initial_trials(problem, "planner")}
    assert {choice.strategy for choice in chosen} == {"majority"}


@pytest.mark.parametrize("kind", [TreeParameters, BoxParameters, PlainParameters])
def test_parameters_say_every_allocation_and_are_read_back(kind: type[Parameters]) -> None:
    problem = problem_of(SPACE, FlopsCost())
    parameters = kind(FeasibleSpace(problem))
    for allocation in problem.space.allocations(problem.budget, problem.cost):
        assert parameters.suggest(optuna.trial.FixedTrial(parameters.of(allocation))) == allocation


def alike(allocation: Allocation) -> Allocation:
    """What runs: with one sample a strategy has nothing to do."""
    return Allocation(
        {
            n: Choice(c.model, c.samples, c.strategy if c.samples > 1 else None, c.temperature)
            for n, c in allocation.items()
        }
    )


def test_the_planner_tries_nothing_twice_under_another_strategys_name() -> None:
    search = drive(Search(SPACE, None, "planner", 1), 60)
    assert len({alike(trial.allocation) for trial in search.trials}) == 60


def test_the_planner_goes_on_where_the_standing_strategy_does_not_fit() -> None:
    where = space(1, [{"strategies": ["fusion", "majority"]}], sample_counts=[1])
    search = drive(Search(where, 30.0, "planner", 0, cost=Dear()), 10)
    assert {trial.allocation["s0"].strategy for trial in search.trials} == {"majority"}


def test_the_planner_finds_the_better_strategy_and_temperature() -> None:
    where = space(2, LISTED, sample_counts=[1, 2, 4, 8, 16, 32])
    search = drive(Search(where, None, "planner", 4), 50)
    assert search.best is not None
    best = search.best.allocation
    assert [choice.strategy for choice in best.values() if choice.samples > 1].count("fusion") == 0
    assert best["s1"].temperature == 0.0
    last = list(score(best).values())[-1]
    others = drive(Search(where, None, "random", 4), 50).best
    assert others is not None
    assert last > (others.score or 0.0)


def test_models_share_what_is_known_of_a_strategy() -> None:
    """Where two models do worse with fusion, the third is expected to."""
    where = space(1, [{"strategies": ["majority", "fusion"]}], sample_counts=[1, 2, 4, 8])
    problem = problem_of(where, FlopsCost())
    search = Search(where, 1e9, "random", 0)
    wanted = {
        Choice(m, n, s)
        for m, s in [("1b", "majority"), ("1b", "fusion"), ("8b", "majority"), ("8b", "fusion")]
        for n in (1, 2, 4, 8)
    }
    wanted |= {Choice("70b", n, "majority") for n in (1, 2, 4, 8)}
    while asked := search.ask(1):
        choice = asked[0].allocation["s0"]
        if choice in wanted:
            search.tell(
                asked[0],
                0.3 + 0.05 * choice.samples - (0.2 if choice.strategy == "fusion" and choice.samples > 1 else 0),
            )
        else:
            search.tell(asked[0], error="not run")
    belief = Belief(problem, choice_tables(where), Insights(), search.trials)
    fused, voted = (belief.expected(Allocation({"s0": Choice("70b", 4, s)})) for s in ("fusion", "majority"))
    assert fused < voted - 0.1


def test_the_frame_and_the_naive_allocations_name_what_is_listed() -> None:
    search = drive(Search(SPACE, None, "random", 0), 3)
    columns = list(search.to_dataframe().columns)
    assert columns[3:10] == [
        "s0.model",
        "s0.samples",
        "s0.strategy",
        "s1.model",
        "s1.samples",
        "s1.strategy",
        "s1.temperature",
    ]
    task = load_task("multihop-recorded", strategies={"qa": ["majority", "fusion"]})
    naive = naive_allocation(problem_of(task.space, task.cost), largest=True)
    assert naive is not None
    assert [choice.strategy for choice in naive.values()] == [None, "majority"]


def test_a_strategy_instead_of_another_is_a_reason() -> None:
    where, cost, _ = PROBLEMS["strategies"]
    search = drive(Search(where, None, "planner", 0, cost=cost), 30)
    assert any("instead of" in t.reason and "majority" in t.reason for t in search.trials)


@pytest.mark.parametrize("searcher", ["planner", pytest.param("tpe", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_a_recorded_search_over_strategies_is_judged_and_resumed(tmp_path: Path, searcher: str) -> None:
    storage, options = f"sqlite:///{tmp_path / 'listed.db'}", {"strategies": ["fusion", "majority"]}

    def start(observer: Any = None) -> tts.Result:
        return tts.run(
            searcher=searcher, trials=20, batch=5, seed=1, storage=storage, task_options=options, observer=observer
        )

    whole = start()
    assert {c.strategy for t in whole.trials for c in t.allocation.values()} == {"fusion", "majority"}
    held_out = whole.evaluation(BEST, HELD_OUT)
    assert held_out is not None
    assert held_out.allocation == whole.best.allocation
    assert len(held_out.score.per_example) == 50

    class Stop:
        def session_started(self, *_: object) -> None: ...
        def judging_started(self) -> None: ...
        def samples_generated(self, *_: object) -> None: ...
        def guideline_written(self, _: object) -> None: ...

        def trial_finished(self, trial: tts.Trial, _: object) -> None:
            if trial.number == 11:
                signal.raise_signal(signal.SIGINT)  # as Ctrl-C

    with pytest.raises(KeyboardInterrupt):
        start(Stop())
    resumed = tts.resume("last", storage)
    assert resumed.session_id != whole.session_id
    assert [(t.allocation, t.score, t.reason) for t in resumed.trials] == [
        (t.allocation, t.score, t.reason) for t in whole.trials
    ]
    assert resumed.evaluation(BEST, HELD_OUT) == held_out
    assert resumed.usage.paid == 0, "the first session left every sample in the store"
