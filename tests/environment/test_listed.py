"""Strategies and temperatures that a task's space lists: how trials run with them, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from environment.backend import Receiver
from environment.executor import Executor
from environment.loading import load_task
from environment.recorder import Recorder
from environment.sampler import Sampler
from environment.simulated.tasks import two_wiki
from environment.task import SEARCH, Task
from storage.database import Database
from storage.sample import GenerationRequest
from storage.samples import SampleStore
from tests.environment.tiny_task import CountingBackend, tiny_task
from tools.errors import InvalidAllocation, InvalidInput, UnknownName
from tools.space import Allocation, Choice, SearchSpace, Subtask


class NotingBackend(CountingBackend):
    """Also remembers the temperature of every request."""

    def __init__(self) -> None:
        super().__init__()
        self.temperatures: list[float] = []

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        self.temperatures.append(request.sampling.temperature)
        await super().generate(request, indices, receiver)


def listing(task: Task, counts: Sequence[int] = (1, 2, 4), **listed: Any) -> Task:
    """The task with strategies or temperatures listed for its first stage."""
    first, second = task.space.subtasks
    lengths: dict[str, Any] = {"prompt_tokens": first.prompt_tokens, "generation_tokens": first.generation_tokens}
    listing_stage = Subtask(first.name, first.models, **lengths, **listed)
    return replace(task, space=SearchSpace([listing_stage, second], sample_counts=counts))


@pytest.fixture
def store() -> Iterator[SampleStore]:
    with Database.open("sqlite://") as database:
        yield SampleStore(database)


def allocation(*first: Any) -> Allocation:
    return Allocation({"first": Choice("small", *first), "second": Choice("small", 1)})


async def test_an_allocations_strategy_is_used_and_the_tasks_own_elsewhere(store: SampleStore) -> None:
    backend = CountingBackend()
    task = listing(tiny_task(backend, examples=1), strategies=["fusion", "majority"])
    runner = Executor(task, Sampler(store, task.connect()), math.inf)
    voted = await runner.run(allocation(4, "majority"), task.examples(SEARCH))
    assert voted.usage.requested == 4 + 1
    fused = await runner.run(allocation(4, "fusion"), task.examples(SEARCH))
    assert fused.usage.requested == 4 + 1 + 1
    assert fused.usage.fresh == 1, "the four samples are shared, the fusing call is new; both outputs are 0 here"
    with pytest.raises(InvalidAllocation, match=r"first\.strategy: is missing; use one of: fusion, majority"):
        await runner.run(allocation(4), task.examples(SEARCH))


async def test_a_temperature_is_part_of_what_is_drawn(store: SampleStore) -> None:
    backend = NotingBackend()
    task = listing(tiny_task(backend, strategy="majority", examples=1), temperatures=[0, 0.9, 1])
    runner = Executor(task, Sampler(store, task.connect()), math.inf)
    for temperature in (0, 0.9):
        await runner.run(allocation(2, None, temperature), task.examples(SEARCH))
    assert set(backend.temperatures) == {0.0, 0.9}
    paid = len(backend.made)
    whole = await runner.run(allocation(2, None, 1), task.examples(SEARCH))
    assert len(backend.made) == paid + 2, "the first stage's samples are new, its output and so the second's are not"
    same = await runner.run(allocation(2, None, 1.0), task.examples(SEARCH))
    assert same.usage.paid == 0, "1 and 1.0 are one temperature and one address"
    assert same.stage_scores == whole.stage_scores


async def test_the_stages_own_temperature_listed_shares_the_samples_of_an_unlisted_one(store: SampleStore) -> None:
    backend = CountingBackend()
    plain = tiny_task(backend, strategy="majority", examples=1)
    listed = listing(plain, temperatures=[0.9])
    await Executor(plain, Sampler(store, plain.connect()), math.inf).run(allocation(4), plain.examples(SEARCH))
    again = await Executor(listed, Sampler(store, listed.connect()), math.inf).run(
        allocation(4, None, 0.9), listed.examples(SEARCH)
    )
    assert again.usage.paid == 0


async def test_a_recording_of_a_listing_task_holds_every_allocation(store: SampleStore) -> None:
    backend = CountingBackend()
    task = listing(
        tiny_task(backend, examples=1), counts=[1, 2], strategies=["majority", "fusion"], temperatures=[0.2, 0.9]
    )
    sampler = Sampler(store, task.connect())
    await Recorder(task, sampler, ["fusion"]).record(task.search_examples, lambda progress: None)
    recorded = len(backend.made)
    runner = Executor(task, sampler, math.inf)
    for tried in task.space.allocations(math.inf, task.cost):
        await runner.run(tried, task.examples(SEARCH))
    assert len(backend.made) == recorded


def test_an_unknown_strategy_is_refused_when_the_task_is_built() -> None:
    with pytest.raises(UnknownName, match=r"subtask 'first' strategies: unknown name 'fusoin'; did you mean 'fusion'"):
        listing(tiny_task(CountingBackend()), strategies=["majority", "fusoin"])


@pytest.mark.parametrize("listed", [{"strategies": ["fusion"]}, {"temperatures": [0.5]}])
def test_a_simulated_task_refuses_them(listed: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="simulated"):
        listing(two_wiki(), **listed)


def test_the_recorded_benchmark_lists_what_was_recorded() -> None:
    task = load_task("multihop-recorded", strategies={"qa": ["majority", "fusion"]})
    assert [subtask.strategies for subtask in task.space.subtasks] == [(), ("majority", "fusion")]
    assert task.strategies_of("retrieval") == ("fusion",)
    assert load_task("multihop-recorded", **task.options).space["qa"] == task.space["qa"]


@pytest.mark.parametrize(
    ("strategies", "message"),
    [
        (["fusion", "single"], "strategy: 'single' was not recorded; use one of: fusion, majority"),
        ({"qas": ["fusion"]}, "strategies: unknown name 'qas'; did you mean 'qa'?"),
        ("fusion", "subtask 'retrieval' strategies: must be a list of names, got 'fusion'"),
        (5, "subtask 'retrieval' strategies: must be a list of names, got 5"),
        (["fusion", "fusion"], "subtask 'retrieval' strategies: lists one twice: fusion, fusion"),
        ([["fusion"]], r"subtask 'retrieval' strategies: must be a list of names, got \[\['fusion'\]\]"),
    ],
)
def test_an_unusable_list_is_one_line(strategies: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load_task("multihop-recorded", strategies=strategies)


@pytest.mark.parametrize(
    "temperatures", [0.5, "0.5", [True], [-0.1], [math.inf], [math.nan], ["0.5"], [0.5, 0.5], [0, -0.0]]
)
def test_an_unusable_temperature_is_refused(temperatures: Any) -> None:
    with pytest.raises(InvalidInput, match=r"subtask 'retrieval' temperatures: (must be|lists one twice)"):
        load_task("multihop", models=["m:1e9@http://127.0.0.1:1/v1"], temperatures=temperatures)
