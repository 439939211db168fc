"""Workers in this process: what they give together is what the local executor gives."""

from __future__ import annotations

import asyncio
import copy
import math
import pickle
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from environment.cluster.job import Job, job_of
from environment.cluster.spread_executor import SpreadExecutor, dealt
from environment.cluster.worker import Share, Worker
from environment.executor import Executor
from environment.loading import load_task
from environment.sampler import Sampler
from environment.task import HELD_OUT, SEARCH, Task
from storage.archive import Archive
from storage.database import Database
from storage.samples import SampleStore
from storage.workers import Workers
from tests.environment.cluster.test_options import config
from tests.environment.faulty_recording import behind, recording
from tests.environment.recorded_server import RecordedServer
from tools.errors import BudgetExceeded, InvalidAllocation, InvalidInput, MissingSample, UnknownName, UnknownSession
from tools.space import Allocation, Choice


def travelled(value: Any) -> Any:
    """What arrives of a value in another process."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own


class Direct:
    """A worker of this process behind the way that values take between processes."""

    def __init__(self, job: Job, part: int, parts: int) -> None:
        self.worker = Worker(travelled(job), part, parts)

    async def run(self, session_id: str, allocation: Allocation, split: str, places: Sequence[int]) -> Share:
        sent = travelled((session_id, allocation, split, list(places)))
        result = travelled(await self.worker.run(*sent))
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, Share)
        return result


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("multihop-recorded")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open(tmp_path / "spread.db")


@asynccontextmanager
async def spread(task: Task, database: Database, parts: int, budget: float = math.inf) -> AsyncIterator[SpreadExecutor]:
    job = job_of(config(), task, database, pickle.dumps)
    workers = [Direct(job, part, parts) for part in range(parts)]
    try:
        session = Archive(database).create_session(config())
        yield SpreadExecutor(task, budget, workers, 2, session_id=session.id)
    finally:
        for direct in workers:
            await direct.worker.close()
        database.close()


def allocations(task: Task) -> list[Allocation]:
    """Three that share samples: the first stage alone, then the second one changes."""
    names = [subtask.name for subtask in task.space.subtasks]
    models = [model.name for model in task.space.subtasks[0].models]
    pairs = [((models[0], 2), (models[0], 1)), ((models[0], 4), (models[0], 1)), ((models[0], 4), (models[1], 4))]
    return [Allocation({n: Choice(*c) for n, c in zip(names, pair, strict=True)}) for pair in pairs]


@given(st.integers(0, 300), st.integers(1, 40))
def test_every_example_goes_to_one_worker_and_none_has_two_more_than_another(examples: int, workers: int) -> None:
    places = dealt(examples, workers)
    assert sorted(place for part in places for place in part) == list(range(examples))
    sizes = [len(part) for part in places]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("parts", [1, 3])
async def test_scores_and_usage_are_those_of_the_local_executor(task: Task, database: Database, parts: int) -> None:
    with Database.open("sqlite://") as other:
        local = Executor(task, Sampler(SampleStore(other), task.connect()), math.inf)
        async with spread(task, database, parts) as executor:
            for allocation in allocations(task):
                expected = await local.run(allocation, task.examples(SEARCH))
                assert await executor.run(allocation, task.examples(SEARCH)) == expected
            held_out = await executor.run(allocations(task)[0], task.examples(HELD_OUT))
            assert held_out == await local.run(allocations(task)[0], task.examples(HELD_OUT))


async def test_trials_side_by_side_pay_for_nothing_twice(task: Task, database: Database) -> None:
    with Database.open("sqlite://") as other:
        local = Executor(task, Sampler(SampleStore(other), task.connect()), math.inf)
        expected = [await local.run(allocation, task.examples(SEARCH)) for allocation in allocations(task)]
    async with spread(task, database, 2) as executor:
        found = await asyncio.gather(*(executor.run(a, task.examples(SEARCH)) for a in allocations(task)))
    assert [outcome.stage_scores for outcome in found] == [outcome.stage_scores for outcome in expected]
    assert [outcome.usage.requested for outcome in found] == [outcome.usage.requested for outcome in expected]
    for count in ("fresh", "paid", "generation_tokens"):
        assert sum(getattr(o.usage, count) for o in found) == sum(getattr(o.usage, count) for o in expected)


async def test_nothing_runs_beyond_the_budget_or_on_other_examples(task: Task, database: Database) -> None:
    async with spread(task, database, 2, budget=1e-9) as executor:
        with pytest.raises(BudgetExceeded):
            await executor.run(allocations(task)[0], task.examples(SEARCH))
    async with spread(task, database, 2) as executor:
        with pytest.raises(InvalidInput, match="examples: must be the task's"):
            await executor.run(allocations(task)[0], list(task.examples(SEARCH)))


async def test_a_workers_error_comes_back_as_itself(task: Task, database: Database) -> None:
    model, beyond = task.space.subtasks[0].models[0].name, task.space.max_samples + 1
    too_many = Allocation({subtask.name: Choice(model, beyond) for subtask in task.space.subtasks})
    session = Archive(database).create_session(config()).id
    direct = Direct(job_of(config(), task, database, pickle.dumps), 0, 1)
    with database, pytest.raises(InvalidAllocation, match="samples"):
        await direct.run(session, too_many, SEARCH, [0])
    await direct.worker.close()


async def test_workers_that_want_a_generation_at_once_share_it(
    task: Task, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RecordedServer(source=recording()) as server:
        monkeypatch.setattr(Job, "load", lambda _: behind(server.base_url))
        session, job = Archive(database).create_session(config()).id, job_of(config(), task, database, pickle.dumps)
        both = [Direct(job, part, 2) for part in range(2)]
        for allocation in allocations(task):
            shares = await asyncio.gather(*(direct.run(session, allocation, SEARCH, range(4)) for direct in both))
            assert shares[0].scores == shares[1].scores
        assert len(Workers(database).of(session)) == 2
        for direct in both:
            await direct.worker.close()
        assert Workers(database).of(session) == []
        assert set(server.made.values()) == {1}
    database.close()


async def test_another_machine_release_or_task_is_refused(task: Task, database: Database) -> None:
    job = job_of(config(), task, database, pickle.dumps)
    database.close()
    others = {
        "storage: is a file of elsewhere": replace(job, host="elsewhere"),
        "executor: .* and the search 0.0": replace(job, release="0.0"),
        "task: multihop-recorded is another one": replace(job, fingerprint=""),
        "task: unknown name": replace(job, task="multihop-recorde"),
        "task: .* cannot be rebuilt": replace(job, pickled=b"no pickle"),
    }
    for problem, other in others.items():
        error = await Worker(other, 0, 1).open()
        with pytest.raises(InvalidInput, match=problem):
            raise error or AssertionError(problem)


@pytest.mark.parametrize("parts", [1, 3, 8])
def test_workers_share_an_endpoints_concurrency(parts: int) -> None:
    backends = [OpenAIBackend(Endpoint("http://127.0.0.1:9/v1", concurrency=8)) for _ in range(parts)]
    for part, backend in enumerate(backends):
        backend.share(part, parts)
    assert sum(backend.gate.limit.limit for backend in backends) == 8


def test_more_workers_than_an_endpoint_takes_requests_are_refused() -> None:
    backend = OpenAIBackend(Endpoint("http://127.0.0.1:9/v1", concurrency=2))
    with pytest.raises(InvalidInput, match="executor option workers: must be 2 at most"):
        backend.share(0, 3)


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("field", "is wrong"),
        UnknownName("model", "gpt", ["gpt-2"]),
        BudgetExceeded(3, 2, "units", field="cap price"),
        UnknownSession("x", ["y"], ambiguous=True),
        MissingSample("lacks"),
    ],
)
def test_errors_travel_whole(error: Exception) -> None:
    for copied in (travelled(error), copy.copy(error)):
        assert type(copied) is type(error)
        assert str(copied) == str(error)
        assert vars(copied) == vars(error)
