"""Draws that end before they are whole: what was finished is kept, and what was paid is paid once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import pytest

from environment.backend import Collected, Receiver
from environment.backends.chat_request import draw_seed
from environment.sampler import Sampler
from storage.database import Database
from storage.sample import GenerationRequest, Sample
from storage.samples import SampleStore
from tests.environment.chat_server import Body, ChatServer, Reply, error
from tests.environment.openai_sessions import Waits, ask, connected, expected_texts
from tests.environment.tiny_task import CountingBackend
from tools.errors import EndpointError, StorageError


@pytest.fixture
def store() -> Iterator[SampleStore]:
    with Database.open("sqlite://") as database:
        yield SampleStore(database)


def seeds(request: GenerationRequest, indices: Sequence[int]) -> list[int]:
    return [draw_seed(request, index) for index in indices]


async def test_after_a_failure_the_answers_under_way_are_delivered_and_nothing_more_is_sent() -> None:
    request, received = ask(), Collected()

    def broken_at_two(body: Body) -> Reply:
        return error("gone", status=404) if body["seed"] == draw_seed(request, 2) else server.complete(body)

    server = ChatServer(script=[broken_at_two] * 9)
    async with connected(server, max_choices=1, concurrency=3) as (_, backend):
        with pytest.raises(EndpointError, match="gone"):
            await backend.generate(request, range(9), received)
        assert sorted(server.drawn) == sorted(seeds(request, sorted(received.samples)))
        assert {0, 1} <= set(received.samples) <= {0, 1, 3, 4}


async def test_a_slow_answer_outlives_the_failure_of_its_sibling() -> None:
    request, received, failed = ask(), Collected(), asyncio.Event()

    class Slow(ChatServer):
        async def _answer(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
            if reply.status == 404:
                await super()._answer(writer, reply)
                failed.set()
                return
            await failed.wait()
            await asyncio.sleep(0.05)
            await super()._answer(writer, reply)

    def broken_at_zero(body: Body) -> Reply:
        return error("gone", status=404) if body["seed"] == draw_seed(request, 0) else server.complete(body)

    server = Slow(script=[broken_at_zero] * 2)
    async with connected(server, max_choices=1) as (_, backend):
        with pytest.raises(EndpointError, match="gone"):
            await backend.generate(request, [0, 1], received)
    assert [received.samples[1].text] == expected_texts(request, [1])


async def test_a_draw_waiting_for_its_next_attempt_is_given_up_at_once() -> None:
    request, received = ask(), Collected()
    asleep = asyncio.Event()

    class Asleep(Waits):
        async def sleep(self, seconds: float) -> None:
            asleep.set()
            await asyncio.Event().wait()

    class Ordered(ChatServer):
        async def _answer(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
            if reply.status == 404:
                await asleep.wait()
            await super()._answer(writer, reply)

    def by_index(body: Body) -> Reply:
        return error("busy", status=503) if body["seed"] == draw_seed(request, 0) else error("gone", status=404)

    async with connected(Ordered(script=[by_index] * 2), Asleep(), max_choices=1) as (_, backend):
        with pytest.raises(EndpointError, match="gone"):
            async with asyncio.timeout(10):
                await backend.generate(request, [0, 1], received)
    assert received.samples == {}


class Halting(CountingBackend):
    """Fails after `good` samples, once."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self.good: int | None = good

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        if self.good is None:
            await super().generate(request, indices, receiver)
            return
        part, self.good = indices[: self.good], None
        await super().generate(request, part, receiver)
        raise EndpointError("the endpoint is down")


async def test_a_failed_draw_keeps_its_samples_and_they_are_counted_and_paid_once(store: SampleStore) -> None:
    backend, request = Halting(3), ask()
    sampler = Sampler(store, {"m": backend})
    ledger = sampler.ledger()
    with pytest.raises(EndpointError):
        await sampler.draw(request, 5, ledger)
    assert sorted(store.fetch([request.key])[request.key]) == [0, 1, 2]
    assert (ledger.usage.paid, ledger.usage.generation_tokens) == (3, 3)
    samples = await sampler.draw(request, 5, ledger)
    assert [sample.text for sample in samples] == ["0", "1", "2", "3", "4"]
    assert sorted(backend.made) == [(request.key, index) for index in range(5)]
    assert (ledger.usage.paid, ledger.usage.requested, ledger.usage.fresh) == (5, 5, 5)


async def test_a_draw_is_served_as_soon_as_its_own_samples_are_there(store: SampleStore) -> None:
    request, rest = ask(), asyncio.Event()

    class Gated(CountingBackend):
        async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
            await super().generate(request, indices[:2], receiver)
            await rest.wait()
            await super().generate(request, indices[2:], receiver)

    sampler = Sampler(store, {"m": Gated()})
    few, many = (asyncio.create_task(sampler.draw(request, count, sampler.ledger())) for count in (2, 4))
    assert len(await few) == 2
    assert not many.done()
    rest.set()
    assert len(await many) == 4


async def test_what_cannot_be_stored_fails_the_draw(store: SampleStore) -> None:
    class Full(SampleStore):
        def __init__(self) -> None: ...

        def fetch(self, keys: object) -> dict[str, dict[int, Sample]]:
            return {}

        def put(self, entries: object) -> None:
            raise StorageError("the disk is full")

    async with connected(ChatServer()) as (_, backend):
        sampler = Sampler(Full(), {"m": backend})
        with pytest.raises(StorageError, match="the disk is full"):
            await sampler.draw(ask(), 3, sampler.ledger())


async def test_a_backend_that_leaves_samples_out_is_an_error_and_no_hang(store: SampleStore) -> None:
    class Forgetful(CountingBackend):
        async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
            await super().generate(request, indices[1:], receiver)

    sampler = Sampler(store, {"m": Forgetful()})
    with pytest.raises(EndpointError, match=r"left out the samples \[0\]"):
        await sampler.draw(ask(), 3, sampler.ledger())
    assert sorted(store.fetch([ask().key])[ask().key]) == [1, 2]


async def test_samples_are_stored_before_the_backend_goes_on(store: SampleStore) -> None:
    request, found = ask(), []

    class Watching(CountingBackend):
        async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
            for index in indices:
                await super().generate(request, [index], receiver)
                held: Mapping[int, Sample] = store.fetch([request.key])[request.key]
                found.append(sorted(held))

    sampler = Sampler(store, {"m": Watching()})
    await sampler.draw(request, 3, sampler.ledger())
    assert found == [[0], [0, 1], [0, 1, 2]]
