"""The gate of an endpoint, with the client and a scripted server behind it."""

from __future__ import annotations

import asyncio

import pytest

from environment.backend import collected
from environment.backends.circuit import THRESHOLD
from tests.environment.chat_server import ChatServer, Reply, choice, completion, error
from tests.environment.openai_sessions import Waits, ask, connected
from tools.errors import EndpointError

DOWN = error("down", status=503)
GOOD = completion(choice("fine", index=0), usage={"prompt_tokens": 1, "completion_tokens": 1}).content


async def test_an_endpoint_that_is_down_is_not_hammered_and_given_up_by_all_at_once() -> None:
    attempts, calls = 8, 40
    async with connected(ChatServer(script=[DOWN] * 999), concurrency=8, max_attempts=attempts) as (server, backend):
        drawing = [asyncio.create_task(collected(backend, ask(str(n)), [0])) for n in range(calls)]
        results = await asyncio.gather(*drawing, return_exceptions=True)
        assert all(isinstance(result, EndpointError) for result in results)
        assert any("the endpoint was probed for all that wait" in str(result) for result in results)
        # One request after the other would have asked 320 times.
        assert len(server.bodies) < 8 + calls / 8 * attempts + THRESHOLD + attempts
        assert backend.gate.circuit.is_open


async def test_an_endpoint_that_comes_back_is_used_again() -> None:
    async with connected(ChatServer(script=[DOWN] * 10), concurrency=4, max_attempts=20) as (server, backend):
        drawing = [asyncio.create_task(collected(backend, ask(str(n)), [0])) for n in range(12)]
        assert all(len(samples) == 1 for samples in await asyncio.gather(*drawing))
        assert len(server.bodies) == 22
        assert not backend.gate.circuit.is_open


async def test_refusals_of_the_endpoints_making_do_not_open_the_circuit() -> None:
    refusals = [error("no such model", status=404)] * 20
    async with connected(ChatServer(script=refusals)) as (_, backend):
        for _ in range(20):
            with pytest.raises(EndpointError, match="no such model"):
                await collected(backend, ask(), [0])
        assert not backend.gate.circuit.is_open
        assert len(await collected(backend, ask(), [0])) == 1


async def test_429_halves_what_is_sent_at_once() -> None:
    busy = error("slow down", status=429)
    async with connected(ChatServer(script=[busy] * 2), concurrency=8) as (_, backend):
        await collected(backend, ask("a"), [0])
        assert backend.gate.limit.limit == 2
        for number in range(8):
            await collected(backend, ask(str(number)), [0])
        assert backend.gate.limit.limit == 4


async def test_retry_after_holds_back_every_model_of_the_endpoint() -> None:
    waits = Waits()
    busy = Reply(429, headers=("Retry-After: 30",))
    async with connected(ChatServer(script=[busy]), waits, concurrency=1) as (_, backend):
        await asyncio.gather(*(collected(backend, ask(str(n)), [0]) for n in range(2)))
        assert 30 <= waits.now() <= 60
        assert max(waits) == 30


@pytest.mark.parametrize("status", [200, 429])
async def test_rate_limit_headers_of_answers_and_refusals_are_obeyed(status: int) -> None:
    waits = Waits()
    spent = ("x-ratelimit-remaining-requests: 0", "x-ratelimit-reset-requests: 7s", "Retry-After: 7")
    async with connected(ChatServer(script=[Reply(status, GOOD, headers=spent[: 2 + (status != 200)])]), waits) as (
        _,
        backend,
    ):
        await collected(backend, ask("a"), [0])
        await collected(backend, ask("b"), [0])
        assert waits == [7]


async def test_a_model_that_used_up_its_tokens_waits_for_them() -> None:
    waits = Waits()
    spent = ("x-ratelimit-remaining-tokens: 20", "x-ratelimit-reset-tokens: 1m30s")
    async with connected(ChatServer(script=[Reply(200, GOOD, headers=spent)]), waits) as (_, backend):
        await collected(backend, ask("a"), [0])
        await collected(backend, ask("b", max_tokens=2), [0])
        assert waits == []
        await collected(backend, ask("c", max_tokens=100), [0])
        assert waits == [90]
