"""Races: generations that run side by side until enough have finished, over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agenttts.testing.strategies import DigitStage
from environment.backend import collected
from environment.backends.chat_request import draw_seed
from environment.backends.clock import Clock
from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from environment.sampler import Sampler
from environment.side_by_side import first_to_finish
from environment.strategies.short_m_at_k import Short3AtK
from environment.strategy import StageRun, sample_request
from storage.database import Database
from storage.sample import GenerationRequest, Message, Race, SamplingParameters
from storage.samples import SampleStore
from tests.environment.chat_server import text_of, tokens_of
from tests.environment.openai_sessions import Waits
from tests.environment.racing_server import RacingServer
from tools.errors import EndpointError, InvalidInput
from tools.trial import Usage


def race(starters: int, finishers: int) -> GenerationRequest:
    return GenerationRequest("m", (Message("user", "go"),), SamplingParameters(0.9, 16), Race(starters, finishers))


def seeds(request: GenerationRequest, *starters: int) -> list[int]:
    return [draw_seed(request, starter) for starter in starters]


@asynccontextmanager
async def racing(clock: Clock | None = None, **endpoint: Any) -> AsyncIterator[tuple[RacingServer, OpenAIBackend]]:
    async with RacingServer() as server:
        options = {"timeout": 60.0, "max_attempts": 1} | endpoint
        backend = OpenAIBackend(Endpoint(server.base_url, **options), clock=clock)
        try:
            yield server, backend
        finally:
            await backend.aclose()


@pytest.mark.parametrize("order", [(4, 1, 0), (0, 1, 2), (5, 4, 3)])
async def test_the_first_to_finish_come_in_their_order_and_the_others_are_cut_off(order: tuple[int, ...]) -> None:
    request = race(6, 3)
    async with racing() as (server, backend):
        server.order, server.together = seeds(request, *order), 6
        samples = await collected(backend, request, range(3))
        await server.all_left()
        assert [sample.text for sample in samples] == [text_of(seed) for seed in server.order]
        assert sorted(server.started) == seeds(request, *range(6)), "all started, each with a seed of its own"
        assert server.answered == server.order
        assert server.abandoned == set(server.started) - set(server.order), "the client closed these connections"
        assert [sample.prompt_tokens for sample in samples] == [7, 7, 7], "each was a request of its own"
        assert [sample.generation_tokens for sample in samples] == [tokens_of(sample.text) for sample in samples]
        assert [sample.mean_logprob for sample in samples] == [
            pytest.approx(-0.125 * (tokens_of(sample.text) + 1)) for sample in samples
        ]
        assert all(body["stream"] and body["stream_options"]["include_usage"] for body in server.bodies)


async def test_starters_beyond_the_endpoints_concurrency_wait_and_may_never_be_sent() -> None:
    request = race(6, 1)
    async with racing(concurrency=2) as (server, backend):
        server.order, server.together = seeds(request, 1), 2
        (sample,) = await collected(backend, request, [0])
        await server.all_left()
        assert sample.text == text_of(server.order[0])
        assert sorted(server.started) == seeds(request, 0, 1)
        assert server.abandoned == set(seeds(request, 0))


@pytest.mark.parametrize(("refused", "streamed"), [("stream_options", True), ("stream", False), ("logprobs", True)])
async def test_what_a_server_does_not_take_is_left_out(refused: str, streamed: bool) -> None:
    request = race(3, 2)
    async with racing(max_attempts=2) as (server, backend):
        server.refuses, server.order, server.together = refused, seeds(request, 2, 0), 3
        samples = await collected(backend, request, [0, 1])
        await server.all_left()
        assert [sample.text for sample in samples] == [text_of(seed) for seed in server.order]
        assert server.abandoned == set(seeds(request, 1))
        taken = [body for body in server.bodies if refused not in body]
        assert len(taken) == 3
        assert all(("stream" in body) == streamed for body in taken)
        if refused != "logprobs":
            assert [sample.generation_tokens for sample in samples] == [tokens_of(sample.text) for sample in samples]


async def test_a_stream_that_breaks_off_is_no_sample_and_is_asked_for_again() -> None:
    request = race(3, 1)
    async with racing(max_attempts=3, clock=Waits()) as (server, backend):
        server.breaks, server.order, server.together = set(seeds(request, 1)), seeds(request, 1), 3
        (sample,) = await collected(backend, request, [0])
        assert sample.text == text_of(server.order[0])
        assert len(server.bodies) == 4


async def test_the_backend_serves_on_after_a_race() -> None:
    first, second = race(5, 1), race(4, 2)
    async with racing(concurrency=3) as (server, backend):
        server.order = [*seeds(first, 2), *seeds(second, 1, 3)]
        assert len(await collected(backend, first, [0])) == 1
        # Of the second race one starter has to finish before the fourth is sent.
        assert [s.text for s in await collected(backend, second, [0, 1])] == [text_of(s) for s in seeds(second, 1, 3)]
        await server.all_left()
        assert server.answered == server.order


async def test_a_cancelled_race_closes_every_connection() -> None:
    request = race(4, 2)
    async with racing() as (server, backend):
        server.order, server.together = seeds(request, 0), 4
        drawing = asyncio.ensure_future(collected(backend, request, [0, 1]))
        while server.answered != server.order:
            await asyncio.sleep(0.01)
        drawing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drawing
        await server.all_left()
        assert server.abandoned == set(seeds(request, 1, 2, 3))


async def test_a_failing_starter_fails_the_race_and_cuts_off_the_others() -> None:
    request = race(4, 2)
    async with racing() as (server, backend):
        server.order, server.together, server.status = seeds(request, 3), 4, 404
        with pytest.raises(EndpointError, match="status 404"):
            await collected(backend, request, [0, 1])
        await server.all_left()
        assert server.abandoned == set(seeds(request, 0, 1, 2))


@pytest.mark.parametrize("indices", [[0], [1], [1, 0], [0, 1, 2], []])
async def test_part_of_a_race_cannot_be_drawn(indices: list[int]) -> None:
    async with racing() as (server, backend):
        with pytest.raises(ValueError, match="as a whole"):
            await collected(backend, race(4, 2), indices)
        assert server.started == []


async def test_a_race_is_stored_as_a_whole_and_never_run_again(tmp_path: Path) -> None:
    run = StageRun(DigitStage(), SimpleNamespace(id="e", number=3), {}, "m", 5)
    raced = GenerationRequest("m", *_parts(run), Race(5, 3))
    with Database.open(tmp_path / "race.db") as database:
        store = SampleStore(database)
        async with racing() as (server, backend):
            server.order, server.together = seeds(raced, 3, 0, 4), 5
            ledger = (sampler := Sampler(store, {"m": backend})).ledger()
            output = await Short3AtK().run(run, lambda request, count: sampler.draw(request, count, ledger))
            texts = [text_of(seed) for seed in server.order]
            assert ledger.usage == Usage(3, 3, 3, 21, sum(map(tokens_of, texts)))
            assert len(server.started) == 5
            again = (later := Sampler(store, {"m": backend})).ledger()
            assert await Short3AtK().run(run, lambda request, count: later.draw(request, count, again)) == output
            assert again.usage == Usage(3, 3, 0)
            assert len(server.started) == 5
        assert [sample.text for sample in store.fetch([raced.key])[raced.key].values()] == texts
        assert store.fetch([sample_request(run).key]) == {}, "samples of a race are no plain samples"


def _parts(run: StageRun) -> tuple[tuple[Message, ...], SamplingParameters]:
    return run.stage.messages(run.example, run.upstream), run.sampling


@pytest.mark.parametrize(("starters", "finishers"), [(0, 0), (1, 1), (3, 3), (2, 3), (4, 0), (4, -1), (True, 1)])
def test_a_race_that_cancels_nothing_is_no_race(starters: int, finishers: int) -> None:
    with pytest.raises(InvalidInput, match="race"):
        Race(starters, finishers)


async def test_the_first_failure_is_raised_before_enough_finished_and_ignored_after() -> None:
    async def fail(after: int) -> int:
        for _ in range(after):
            await asyncio.sleep(0)
        raise RuntimeError("broken")

    async def give(value: int, after: int) -> int:
        for _ in range(after):
            await asyncio.sleep(0)
        return value

    with pytest.raises(RuntimeError, match="broken"):
        await first_to_finish([give(1, 9), fail(3)], 1)
    assert await first_to_finish([give(1, 6), give(2, 3), fail(12)], 2) == [2, 1]
