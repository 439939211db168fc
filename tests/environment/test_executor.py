from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence

import pytest

from environment.backend import Receiver
from environment.backends.replay_backend import ReplayBackend
from environment.executor import Executor
from environment.sampler import Sampler
from environment.task import SEARCH, Task
from storage.database import Database
from storage.sample import GenerationRequest, Message, Sample, SamplingParameters
from storage.samples import SampleStore
from tests.environment.tiny_task import CountingBackend, tiny_task
from tools.errors import BudgetExceeded, EndpointError, MissingSample
from tools.space import Allocation, Choice


@pytest.fixture
def store() -> Iterator[SampleStore]:
    with Database.open("sqlite://") as database:
        yield SampleStore(database)


def both(first: int, second: int, model: str = "small") -> Allocation:
    return Allocation({"first": Choice(model, first), "second": Choice(model, second)})


def executor(task: Task, store: SampleStore, budget: float = math.inf) -> Executor:
    return Executor(task, Sampler(store, task.connect()), budget)


async def test_nested_counts_and_unchanged_stages_cost_nothing(store: SampleStore) -> None:
    backend = CountingBackend()
    task = tiny_task(backend, strategy="majority", examples=3)
    runner = executor(task, store)
    ten = await runner.run(both(5, 1), task.examples(SEARCH))
    assert ten.usage.paid == ten.usage.requested == 3 * 6
    more = await runner.run(both(8, 1), task.examples(SEARCH))
    assert more.usage.requested == 3 * 9
    assert more.usage.paid == 3 * 3, "only samples 5, 6 and 7 of the first stage are new"
    stage_two = await runner.run(both(8, 2), task.examples(SEARCH))
    assert stage_two.usage.paid == 3
    again = await runner.run(both(5, 1), task.examples(SEARCH))
    assert again.usage.paid == again.usage.fresh == 0
    assert len(backend.made) == len(set(backend.made)), "no sample was generated twice"


async def test_everything_generated_is_stored_and_a_new_sampler_pays_nothing(store: SampleStore) -> None:
    backend = CountingBackend()
    task = tiny_task(backend)
    first = await executor(task, store).run(both(4, 4), task.examples(SEARCH))
    assert store.count() == first.usage.paid
    second = await executor(task, store).run(both(4, 4), task.examples(SEARCH))
    assert second.usage.paid == 0
    assert second.usage.fresh == second.usage.requested
    assert second.stage_scores == first.stage_scores


async def test_over_budget_never_reaches_the_backend(store: SampleStore) -> None:
    backend = CountingBackend()
    task = tiny_task(backend)
    with pytest.raises(BudgetExceeded):
        await executor(task, store, budget=1).run(both(1, 1, "large"), task.examples(SEARCH))
    assert backend.made == []


async def test_concurrent_draws_of_one_request_share_its_samples(store: SampleStore) -> None:
    backend = CountingBackend()
    sampler = Sampler(store, {"small": backend})
    request = GenerationRequest("small", (Message("user", "hi"),), SamplingParameters(0.9, 4))

    async def late(count: int) -> Sequence[Sample]:
        await asyncio.sleep(0)
        return await sampler.draw(request, count, sampler.ledger())

    few, many, more = await asyncio.gather(
        sampler.draw(request, 2, sampler.ledger()), sampler.draw(request, 5, sampler.ledger()), late(7)
    )
    assert few == many[:2]
    assert many == more[:5]
    assert sorted(index for _, index in backend.made) == list(range(7))


async def test_where_another_process_was_first_its_sample_counts(store: SampleStore) -> None:
    request = GenerationRequest("small", (Message("user", "hi"),), SamplingParameters(0.9, 4))

    class Overtaken(CountingBackend):
        async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
            store.put([(request, 0, Sample("theirs"))])
            await super().generate(request, indices, receiver)

    sampler = Sampler(store, {"small": Overtaken()})
    drawn = await sampler.draw(request, 2, sampler.ledger())
    assert [sample.text for sample in drawn] == ["theirs", "1"]


async def test_a_failure_reaches_the_caller_as_itself_and_keeps_what_was_generated(store: SampleStore) -> None:
    class Failing(CountingBackend):
        async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
            if "second" in request.messages[0].content:
                raise EndpointError("the endpoint is down")
            await super().generate(request, indices, receiver)

    task = tiny_task(Failing(), strategy="majority")
    with pytest.raises(EndpointError, match="is down"):
        await executor(task, store).run(both(2, 1), task.examples(SEARCH))
    assert store.count() > 0


async def test_replay_gives_the_same_and_says_what_is_missing(store: SampleStore) -> None:
    live = tiny_task(CountingBackend())
    recorded = await executor(live, store).run(both(2, 2), live.examples(SEARCH))
    replayed_task = tiny_task(ReplayBackend(store, "the test's recording"))
    with Database.open("sqlite://") as other:
        runner = executor(replayed_task, SampleStore(other))
        replayed = await runner.run(both(2, 2), replayed_task.examples(SEARCH))
        assert replayed.stage_scores == recorded.stage_scores
        with pytest.raises(MissingSample, match=r"the test's recording lacks .*indices 2, 3; it holds 2"):
            await runner.run(both(4, 2), replayed_task.examples(SEARCH))
