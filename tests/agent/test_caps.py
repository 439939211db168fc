"""Sessions under caps: nothing beyond one is run, and a resumed session keeps them."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

import agenttts as tts
from agent.judging import LARGEST, SMALLEST
from environment.executor import Executor
from environment.loading import load_task
from environment.memory_store import MemoryStore
from environment.sampler import Sampler
from environment.task import SEARCH
from storage.archive import Archive
from storage.database import Database
from storage.session import SessionState
from tests.environment.tiny_task import CountingBackend, tiny_task
from tools.errors import BudgetExceeded, InvalidInput, UnknownName
from tools.price import PriceCost
from tools.space import Allocation, Choice

TASK = "simulated-2wiki"
CAP = 0.001


def url(path: Path) -> str:
    return f"sqlite:///{path / 'caps.db'}"


def within(task: str, trials: Any, cost: tts.PriceCost, limit: float) -> bool:
    space = load_task(task).space
    return all(cost.total(space, trial.allocation) <= limit * (1 + 1e-9) for trial in trials)


def test_no_trial_and_no_naive_allocation_exceeds_a_cap(tmp_path: Path) -> None:
    free = tts.run(TASK, trials=15, storage=url(tmp_path))
    assert not within(TASK, free.trials, PriceCost(), CAP), "the cap must bind for this test to mean anything"
    capped = tts.run(TASK, trials=15, storage=url(tmp_path), caps={"price": CAP})
    assert within(TASK, capped.trials, PriceCost(), CAP)
    assert capped.evaluation(LARGEST) is None
    assert capped.evaluation(SMALLEST) is not None
    assert list(capped.config.caps) == [{"cost": "price", "settings": PriceCost().settings(), "limit": CAP}]


def test_a_capped_session_that_was_killed_goes_on_under_its_caps(tmp_path: Path) -> None:
    caps = [tts.Cap(tts.PriceCost(examples=10), 10 * CAP)]
    whole = tts.run(TASK, trials=20, batch=5, seed=3, storage=url(tmp_path), caps=caps)

    class Stop:
        def session_started(self, *_: object) -> None: ...
        def judging_started(self) -> None: ...
        def samples_generated(self, *_: object) -> None: ...
        def guideline_written(self, _: object) -> None: ...

        def trial_finished(self, trial: tts.Trial, _: object) -> None:
            if trial.number == 8:
                signal.raise_signal(signal.SIGINT)  # as Ctrl-C

    with pytest.raises(KeyboardInterrupt):
        tts.run(TASK, trials=20, batch=5, seed=3, storage=url(tmp_path), caps=caps, observer=Stop())
    with Database.open(url(tmp_path)) as database:
        stopped = Archive(database).session("last")
    assert stopped.state is SessionState.INTERRUPTED
    resumed = tts.resume(stopped.id, url(tmp_path))
    assert [t.allocation for t in resumed.trials] == [t.allocation for t in whole.trials]
    assert resumed.config.caps == whole.config.caps


@pytest.mark.slow
def test_what_was_measured_is_stored_with_the_session(tmp_path: Path) -> None:
    measured = tts.measure_recording()
    given = tts.run(trials=12, storage=url(tmp_path), caps={"latency": 3.0}, measured=measured)
    of_itself = tts.run(trials=12, storage=url(tmp_path), caps={"latency": 3.0})
    assert [t.allocation for t in given.trials] == [t.allocation for t in of_itself.trials]
    assert given.config.caps[0]["settings"]["table"] == measured.to_dict()
    assert given.config.caps[0]["settings"]["strategies"] == {"retrieval": "fusion", "qa": "fusion"}


@pytest.mark.slow
def test_measured_seconds_can_be_the_budget_itself(tmp_path: Path) -> None:
    found = tts.run(trials=12, budget=4.0, storage=url(tmp_path), cost="latency")
    assert all(trial.cost <= 4.0 + 1e-9 for trial in found.trials)
    again = tts.run(
        trials=12,
        budget=4.0,
        storage=url(tmp_path),
        cost=tts.LatencyCost.measured(tts.measure_session("last", url(tmp_path))),
    )
    assert again.trials


def test_a_runner_refuses_what_a_cap_does_not_allow() -> None:
    backend = CountingBackend()
    plain = tiny_task(backend)
    cost = tts.FlopsCost(attention=False, every_call=True, base_parameters=1e9)
    from dataclasses import replace

    task = replace(plain, caps=(tts.Cap(cost, 100.0),))
    runner = Executor(task, Sampler(MemoryStore(), task.connect()), 1e9)
    dear = Allocation({"first": Choice("large", 8), "second": Choice("large", 8)})
    with pytest.raises(BudgetExceeded, match="cap flops"):
        asyncio.run(runner.run(dear, task.examples(SEARCH)))
    assert backend.made == []
    assert task.caps[0].cost.settings()["strategies"] == {"first": "fusion", "second": "fusion"}


@pytest.mark.parametrize(
    ("caps", "error", "message"),
    [
        ({"price": 1e-9}, InvalidInput, "cap price: 1e-09 dollars fits no allocation; the cheapest costs"),
        ({"pirce": 1.0}, UnknownName, "did you mean 'price'"),
        ({"flops": 1.0}, InvalidInput, "cap flops: is on the cost that the budget limits"),
        ({"latency": 1.0}, InvalidInput, "latency cost: needs measurements"),
        ({"price": float("nan")}, InvalidInput, "cap price: must be a number"),
        ([tts.Cap(PriceCost(), 1.0), tts.Cap(PriceCost(), 2.0)], InvalidInput, "a cost stands twice"),
    ],
)
def test_unusable_caps_are_refused_before_anything_is_stored(
    tmp_path: Path, caps: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tts.run(TASK, caps=caps, storage=url(tmp_path))
    assert not (tmp_path / "caps.db").exists()


def test_limits_that_no_allocation_meets_together_are_refused() -> None:
    # Small in FLOPs but dear, or cheap but large: each limit alone is met, both are not.
    models = [tts.Model("small", 1e9, 10.0, 10.0), tts.Model("large", 9e9, 1.0, 1.0)]
    space = tts.SearchSpace([tts.Subtask("s", models, prompt_tokens=100, generation_tokens=10)], max_samples=3)
    cost = tts.FlopsCost(base_parameters=1e9)
    budget = cost.total(space, space.cheapest(cost))
    cap = tts.Cap(PriceCost(), PriceCost().total(space, space.cheapest(PriceCost())))
    with pytest.raises(InvalidInput, match="caps: no allocation is within the budget and cap price at once"):
        tts.Search(space, budget, cost=cost, caps=[cap])


def test_settings_without_a_named_cost_and_costs_that_are_not_registered_are_refused(tmp_path: Path) -> None:
    class Own(PriceCost):
        name = "own"

    with pytest.raises(InvalidInput, match="cost_settings: belong to a cost model that is named"):
        tts.run(TASK, cost_settings={"attention": True}, storage=url(tmp_path))
    with pytest.raises(InvalidInput, match="Own is not registered as 'own'"):
        tts.run(TASK, cost=Own(), storage=url(tmp_path))
