"""Measurements: the line that requests truly follow is found again from what they left in the store."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest

from environment.backend import Receiver
from environment.executor import Executor
from environment.measuring import measure, measured_recording
from environment.memory_store import MemoryStore
from environment.multihop.recorded import recorded_task
from environment.sampler import Sampler
from environment.task import SEARCH, Task
from storage.database import Database
from storage.sample import GenerationRequest, Sample
from storage.samples import SampleStore
from tests.environment.tiny_task import tiny_task
from tools.errors import InvalidInput, UnknownName
from tools.latency import LatencyCost
from tools.measured import Measured, Measurements
from tools.space import Allocation, Choice
from tools.token_use import Call
from tools.tokens import TokensCost

PER_REQUEST, PER_PROMPT_TOKEN, PER_TOKEN, PER_STEP = 0.5, 0.01, 0.02, 0.1


class TimedBackend:
    """Answers in a time that its requests' lengths decide; the lengths differ between examples and samples."""

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        content = request.messages[-1].content
        prompt = len(content)
        tokens = [1 + (index * 7 + sum(content.encode())) % 5 for index in indices]
        seconds = PER_REQUEST + PER_PROMPT_TOKEN * prompt
        seconds += PER_TOKEN * sum(tokens) + PER_STEP * sum(tokens) / len(tokens)
        await receiver.deliver(
            {
                index: Sample(str(index), prompt if place == 0 else 0, tokens[place], seconds)
                for place, index in enumerate(indices)
            }
        )

    async def aclose(self) -> None: ...


@pytest.fixture
def store() -> Iterator[SampleStore]:
    with Database.open("sqlite://") as database:
        yield SampleStore(database)


def both(samples: int, model: str = "small") -> Allocation:
    return Allocation({"first": Choice(model, samples), "second": Choice(model, samples)})


async def run(task: Task, store: SampleStore, *allocations: Allocation) -> None:
    runner = Executor(task, Sampler(store, task.connect()), math.inf)
    for allocation in allocations:
        await runner.run(allocation, task.examples(SEARCH))


async def test_the_line_behind_the_seconds_is_found_again(store: SampleStore) -> None:
    task = tiny_task(TimedBackend(), examples=6)
    # The third trial tops up the requests of the second: one key then holds samples of two requests.
    tried = [both(1), both(3), both(7)]
    await run(task, store, *tried)
    found = await measure(task, tried, store, {})
    for stage in ("first", "second"):
        line = found.of(stage, "small")
        assert line.per_request == pytest.approx(PER_REQUEST, rel=0.01)
        assert line.per_prompt_token == pytest.approx(PER_PROMPT_TOKEN, rel=0.01)
        assert line.per_token == pytest.approx(PER_TOKEN, rel=0.01)
        assert line.per_step == pytest.approx(PER_STEP, rel=0.01)
        assert line.largest == 4
        assert 1 <= line.generation_tokens <= 5
    with pytest.raises(InvalidInput, match="model 'large' in subtask 'first': was not measured"):
        found.of("first", "large")


async def test_measuring_is_deterministic_and_survives_a_file(store: SampleStore) -> None:
    task = tiny_task(TimedBackend())
    await run(task, store, both(3))
    found = await measure(task, [both(3)], store, {})
    assert await measure(task, [both(3)], store, {}) == found
    assert Measurements.from_dict(found.to_dict()) == found


async def test_with_requests_of_one_size_larger_ones_are_not_taken_to_be_free(store: SampleStore) -> None:
    task = tiny_task(TimedBackend(), strategy="majority", examples=8)
    await run(task, store, both(1))
    line = (await measure(task, [both(1)], store, {})).of("first", "small")
    assert line.per_step == 0
    assert line.seconds(line.sampling(10)) > line.seconds(line.sampling(1)) + 9 * line.generation_tokens * PER_TOKEN


async def test_lengths_are_those_of_the_samples_and_not_of_the_call_that_fuses(store: SampleStore) -> None:
    task = tiny_task(TimedBackend())
    await run(task, store, both(5))
    found = (await measure(task, [both(5)], store, {})).of("first", "small")
    prompts = [len(task.stages[0].messages(example, {})[0].content) for example in task.search_examples]
    assert found.prompt_tokens == pytest.approx(sum(prompts) / len(prompts), rel=1e-3)


async def test_nothing_is_generated_while_measuring(store: SampleStore) -> None:
    task = tiny_task(TimedBackend())
    await run(task, store, both(2))
    before = store.count()
    with pytest.raises(UnknownName, match="model"):
        await measure(task, [both(3)], store, {})
    await measure(task, [both(2)], store, {})
    assert store.count() == before


async def test_without_samples_there_is_nothing_to_measure() -> None:
    with pytest.raises(InvalidInput, match="run trials first"):
        await measure(tiny_task(TimedBackend()), [], MemoryStore(), {})


def test_the_recording_tells_what_its_models_took() -> None:
    task = recorded_task()
    found = measured_recording(task)
    latency, tokens = (kind.measured(found).with_strategies(task.strategies) for kind in (LatencyCost, TokensCost))
    for subtask in task.space.subtasks:
        one = [latency.subtask(subtask, Choice(model.name, 1)) for model in subtask.by_size]
        assert one == sorted(one), "a larger model takes longer"
        for model in subtask.by_size:
            assert found.of(subtask.name, model.name).largest == 16
            assert tokens.subtask(subtask, Choice(model.name, 16)) > tokens.subtask(subtask, Choice(model.name, 1))


def test_a_call_s_requests_share_what_is_paid_once() -> None:
    line = Measured(100, 10, 1.0, 0.01, 0.001, 0.1, 5, 8)
    together = line.seconds(Call(100, 10, generations=1, requests=4))
    assert together == pytest.approx(1.0 + 4 * 100 * 0.01 + 4 * 10 * 0.001 + 10 * 0.1)
