"""AgentTTSSampler in other people's studies: Optuna's own suite, and what it promises itself."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)
from optuna.trial import TrialState

from agent.optuna_allocations import allocation_in, parameters_of
from agenttts.optuna import AgentTTSSampler, report_stage_scores, suggest_allocation
from agenttts.testing.searchers import CAPPED, MODELS, PROBLEMS, score, space
from tests.agent.agent_server import diligent, serving
from tools.errors import InvalidInput, UnknownName
from tools.flops import FlopsCost
from tools.space import Allocation, SearchSpace, Subtask

TWO = space(2, sample_counts=[1, 2, 4, 8, 16, 32])
NAMES = [model.name for model in MODELS]


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


class TestOptunasSuite(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: AgentTTSSampler(TWO, seed=0)


def objective(trial: optuna.Trial) -> float:
    allocation = suggest_allocation(trial)
    scores = score(allocation)
    report_stage_scores(trial, scores)
    return scores[list(scores)[-1]]


def study_of(
    where: SearchSpace = TWO, direction: str = "maximize", storage: Any = None, **settings: Any
) -> optuna.Study:
    sampler = AgentTTSSampler(where, **{"seed": 0, "searcher": "grid"} | settings)
    return optuna.create_study(
        sampler=sampler, direction=direction, storage=storage or optuna.storages.InMemoryStorage()
    )


def pickled(sampler: Any) -> Any:
    """A sampler as another process gets it."""
    return pickle.loads(pickle.dumps(sampler))  # noqa: S301 - our own


def allocations(study: optuna.Study, where: SearchSpace = TWO) -> list[Allocation]:
    found = [allocation_in(where, trial.params) for trial in study.trials]
    assert None not in found
    return [allocation for allocation in found if allocation is not None]


@pytest.mark.parametrize("searcher", ["planner", "random", "tpe", "cmaes", "nsga2", "grid"])
def test_every_searcher_proposes_new_allocations_within_the_budget(searcher: str) -> None:
    study = study_of(searcher=searcher)
    study.optimize(objective, n_trials=12)
    tried = allocations(study)
    assert len(set(tried)) == len(tried) == 12
    assert all(TWO.feasible(a, TWO.default_budget(FlopsCost()), FlopsCost()) for a in tried)
    assert all(trial.constraints["budget"] <= 0 for trial in study.trials)
    assert all(trial.user_attrs["agenttts.origin"] for trial in study.trials)


@pytest.mark.parametrize("capped", CAPPED)
def test_caps_are_kept_and_are_constraints_too(capped: str) -> None:
    where, cost, budget, caps = CAPPED[capped]
    study = study_of(where, budget=budget, cost=cost, caps=caps)
    study.optimize(objective, n_trials=8)
    assert all(where.feasible(a, budget, cost, caps) for a in allocations(study, where))
    assert all({"budget", *(cap.field for cap in caps)} == set(trial.constraints) for trial in study.trials)


def test_the_planner_learns_more_than_chance() -> None:
    best = {}
    for searcher in ("planner", "random"):
        study = study_of(searcher=searcher)
        study.optimize(objective, n_trials=12)
        best[searcher] = study.best_value
    assert best["planner"] > best["random"]


def test_a_study_that_minimises_learns_the_negated_value() -> None:
    up, down = study_of(searcher="tpe"), study_of(searcher="tpe", direction="minimize")
    up.optimize(objective, n_trials=15)
    down.optimize(lambda trial: -objective(trial), n_trials=15)
    assert allocations(up) == allocations(down)


def test_parameters_are_handed_out_under_the_distributions_of_the_objective() -> None:
    where = PROBLEMS["strategies and temperatures"][0]

    def own(trial: optuna.Trial) -> float:
        for stage in ("s0", "s1"):
            trial.suggest_categorical(f"{stage}.model", NAMES[:2] if stage == "s0" else NAMES)
            trial.suggest_int(f"{stage}.samples", 1, 30)
            strategy = trial.suggest_categorical(f"{stage}.strategy", ["majority", "fusion"])
        if strategy == "majority":
            trial.suggest_float("s1.temperature", 0.0, 1.0)
        trial.suggest_float("top_p", 0.5, 1.0)
        allocation = allocation_in(where, trial.params)
        assert allocation is not None
        return score(allocation)["s1"]

    study = study_of(where, searcher="planner")
    study.optimize(own, n_trials=10)
    assert {trial.params["s0.model"] for trial in study.trials} <= set(NAMES[:2])
    assert len({trial.params["top_p"] for trial in study.trials}) == 10
    assert all(trial.constraints["budget"] <= 0 for trial in study.trials)
    assert {trial.params.get("s1.temperature", 0) for trial in study.trials} <= {0.0, 0.9}


def test_ask_and_tell_in_any_order_with_failures_and_prunings() -> None:
    study = study_of(searcher="tpe")
    for round_ in range(4):
        asked = [study.ask() for _ in range(3)]
        values = [objective(trial) for trial in asked]
        study.tell(asked[2], values[2])
        study.tell(asked[0], state=TrialState.FAIL)
        study.tell(asked[1], state=TrialState.PRUNED) if round_ % 2 else study.tell(asked[1], values[1])
    assert max(Counter(allocations(study)).values()) == 1


def test_an_enqueued_trial_is_run_learnt_and_not_proposed_again() -> None:
    study = study_of(searcher="grid")
    grid = study_of(searcher="grid")
    grid.optimize(objective, n_trials=3)
    first = allocations(grid)[1]
    study.enqueue_trial(parameters_of(first))
    study.optimize(objective, n_trials=6)
    assert allocations(study)[0] == first
    assert Counter(allocations(study))[first] == 1
    assert len(study.sampler._told) == 5


def test_an_enqueued_trial_that_names_some_parameters_is_completed_within_the_budget() -> None:
    study = study_of(space(2, max_samples=100), searcher="random")
    study.enqueue_trial({"s1.model": "70b", "s1.samples": 3})
    study.enqueue_trial({"s0.samples": 7})
    study.optimize(objective, n_trials=2)
    first, second = study.trials
    assert (first.params["s1.model"], first.params["s1.samples"]) == ("70b", 3)
    assert second.params["s0.samples"] == 7
    assert all(trial.constraints["budget"] <= 0 for trial in (first, second))


def test_what_is_enqueued_over_the_budget_is_not_run_but_pruned_with_the_numbers() -> None:
    ran = []
    study = study_of(space(2, max_samples=100), searcher="random")
    study.enqueue_trial({"s0.model": "70b", "s0.samples": 90, "s1.model": "70b", "s1.samples": 90})
    study.optimize(lambda trial: ran.append(suggest_allocation(trial)) or 0.5, n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.PRUNED, TrialState.COMPLETE]
    assert study.trials[0].constraints["budget"] > 0 > study.trials[1].constraints["budget"]
    assert len(ran) == 1


def test_trials_that_others_put_into_the_study_are_learnt() -> None:
    source = study_of(searcher="random", seed=5)
    source.optimize(objective, n_trials=10)
    study = study_of(searcher="planner")
    study.add_trials(source.trials)
    study.add_trial(optuna.create_trial(value=1.0))
    study.optimize(objective, n_trials=2)
    assert len(study.sampler._told) >= 11
    assert max(Counter(allocations_of(study)).values()) == 1
    fresh = study_of(searcher="planner")
    fresh.optimize(objective, n_trials=2)
    assert allocations_of(study)[-2:] != allocations(fresh)


def allocations_of(study: optuna.Study) -> list[Allocation]:
    return [a for trial in study.trials if (a := allocation_in(TWO, trial.params)) is not None]


def test_another_sampler_works_with_the_helper_and_sees_the_budget_as_constraint() -> None:
    helper = AgentTTSSampler(space(2, max_samples=100), seed=0)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), direction="maximize")
    study.optimize(lambda trial: score(helper.suggest_allocation(trial))["s1"], n_trials=20)
    states = {trial.state for trial in study.trials}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}
    assert all((t.constraints["budget"] <= 0) == (t.state is TrialState.COMPLETE) for t in study.trials)
    with pytest.raises(InvalidInput, match="no AgentTTSSampler"):
        study.optimize(lambda trial: score(suggest_allocation(trial))["s1"], n_trials=1)
    fixed = optuna.trial.FixedTrial(study.best_params)
    assert parameters_of(helper.suggest_allocation(fixed)) == study.best_params


def test_threads_share_a_sampler_and_no_allocation_is_tried_twice() -> None:
    study = study_of(searcher="tpe")
    study.optimize(objective, n_trials=24, n_jobs=4)
    assert Counter(trial.state for trial in study.trials) == {TrialState.COMPLETE: 24}
    assert max(Counter(allocations(study)).values()) == 1


def test_the_study_stops_when_everything_was_tried() -> None:
    where, cost, budget = PROBLEMS["temperatures, few fit"]
    study = study_of(where, budget=budget, cost=cost)
    study.optimize(objective, n_trials=500)
    assert len(study.trials) == where.count(budget, cost) < 500
    study.tell(study.ask(), 0.1)


@pytest.mark.parametrize("searcher", ["planner", "tpe", "grid"])
def test_equal_seeds_give_equal_trials_also_over_a_pickling(searcher: str) -> None:
    whole, parted = study_of(searcher=searcher), study_of(searcher=searcher)
    whole.optimize(objective, n_trials=9)
    parted.optimize(objective, n_trials=4)
    parted.sampler = pickled(parted.sampler)
    parted.optimize(objective, n_trials=5)
    assert allocations(whole) == allocations(parted)


def test_a_fresh_sampler_goes_on_with_a_stored_study(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    first = study_of(searcher="tpe", storage=storage)
    first.optimize(objective, n_trials=4)
    again = optuna.load_study(
        study_name=first.study_name, storage=storage, sampler=AgentTTSSampler(TWO, seed=0, searcher="tpe")
    )
    again.optimize(objective, n_trials=4)
    assert max(Counter(allocations(again)).values()) == 1


WORKER = """
import sys, optuna
from tests.agent.test_optuna_sampler import TWO, AgentTTSSampler, objective
optuna.logging.set_verbosity(optuna.logging.ERROR)
sampler = AgentTTSSampler(TWO, seed=0, searcher="grid")
optuna.load_study(study_name="shared", storage=sys.argv[1], sampler=sampler).optimize(objective, n_trials=10)
"""


@pytest.mark.slow
def test_processes_on_one_storage_share_the_work(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(study_name="shared", storage=storage, direction="maximize")
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, storage]) for _ in range(2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    assert len(study.trials) == 20
    # The same seed and no talk between them but the storage.
    assert max(Counter(allocations(study)).values()) == 1


def test_a_language_model_searches_and_its_guidelines_stand_beside_the_trials() -> None:
    with serving(diligent) as server:
        study = study_of(searcher="llm", batch=4, model="agent", base_url=server.url)
        study.optimize(objective, n_trials=10)
        assert pickled(study.sampler).seed == 0
    assert study.sampler.guidelines
    assert study.trials[-1].user_attrs["agenttts.guideline"]
    assert max(Counter(allocations(study)).values()) == 1


def test_bad_settings_are_refused_by_name() -> None:
    with pytest.raises(UnknownName, match="searcher"):
        AgentTTSSampler(TWO, searcher="plannr")
    with pytest.raises(InvalidInput, match="batch"):
        AgentTTSSampler(TWO, batch=0)
    with pytest.raises(InvalidInput, match="fits no allocation"):
        AgentTTSSampler(TWO, budget=0.001)
    with pytest.raises(InvalidInput, match="seed"):
        AgentTTSSampler(TWO, seed=-1)


@settings(max_examples=20, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "s0.model": st.sampled_from(NAMES),
            "s1.model": st.sampled_from(NAMES),
            "s0.samples": st.integers(1, 100),
            "s1.samples": st.integers(1, 100),
        },
    )
)
def test_whatever_is_enqueued_the_trial_keeps_it_and_never_runs_over_the_budget(given_: dict[str, Any]) -> None:
    where = SearchSpace([Subtask(s.name, MODELS, prompt_tokens=s.prompt_tokens, generation_tokens=s.generation_tokens)
                         for s in space(2).subtasks], max_samples=100)  # fmt: skip
    study = study_of(where, searcher="random")
    study.enqueue_trial(given_)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert given_.items() <= trial.params.items()
    assert (trial.constraints["budget"] <= 0) == (trial.state is TrialState.COMPLETE)
