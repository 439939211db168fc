"""The OpenAI backend against a real llama.cpp server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest

from environment.backend import collected
from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from storage.sample import GenerationRequest, Message, Sample, SamplingParameters
from tests.live.conftest import LiveServer
from tools.errors import EndpointError

pytestmark = pytest.mark.live


@pytest.fixture
async def backend(server: LiveServer) -> AsyncIterator[OpenAIBackend]:
    backend = OpenAIBackend(Endpoint(server.url))
    yield backend
    await backend.aclose()


def ask(server: LiveServer, text: str, *, max_tokens: int = 24, temperature: float = 0.9) -> GenerationRequest:
    sampling = SamplingParameters(temperature, max_tokens, stop=("\n",))
    return GenerationRequest(server.model, (Message("user", text),), sampling)


def texts(samples: Sequence[Sample]) -> list[str]:
    return [sample.text for sample in samples]


def tokens_of(server: LiveServer, text: str) -> int:
    answer = httpx.post(f"{server.root}/tokenize", json={"content": text, "add_special": False}, timeout=60)
    return len(answer.raise_for_status().json()["tokens"])


async def test_one_request_gives_different_samples(server: LiveServer, backend: OpenAIBackend) -> None:
    samples = await collected(backend, ask(server, "Name an animal and say what it eats."), range(8))
    assert len(samples) == 8
    assert len(set(texts(samples))) >= 6
    assert len({sample.latency for sample in samples}) == 1, "they came in one answer"


async def test_the_server_tells_its_slots(server: LiveServer, backend: OpenAIBackend) -> None:
    await collected(backend, ask(server, "Say hello.", max_tokens=2), [0])
    async with asyncio.timeout(60):
        while backend.gate.limit.slots is None:
            await asyncio.sleep(0.05)
    assert backend.gate.limit.slots == 8, "as scripts/local_models.py starts it"


async def test_tokens_are_those_of_the_texts(server: LiveServer, backend: OpenAIBackend) -> None:
    samples = await collected(backend, ask(server, "Write about the sea."), range(8))
    assert backend.token_accounting.estimated == 0
    for sample in samples:
        # A sample that ended by itself also drew its end: one token, which is not in the text.
        assert abs(sample.generation_tokens - tokens_of(server, sample.text)) <= 2, sample
        if sample.finish_reason == "length":
            assert sample.generation_tokens == 24


async def test_the_prompt_is_paid_once(server: LiveServer, backend: OpenAIBackend) -> None:
    request = ask(server, "Write about the sea.", max_tokens=4)
    (alone,) = await collected(backend, request, [0])
    together = await collected(backend, request, range(4))
    assert alone.prompt_tokens > tokens_of(server, "Write about the sea.")
    assert [sample.prompt_tokens for sample in together] == [alone.prompt_tokens, 0, 0, 0]


async def test_samples_are_the_same_however_they_are_batched(server: LiveServer, backend: OpenAIBackend) -> None:
    request = ask(server, "Name a colour and a fruit.", max_tokens=12)
    together = texts(await collected(backend, request, range(6)))
    assert texts(await collected(backend, request, range(6))) == together
    one_by_one = [texts(await collected(backend, request, [index]))[0] for index in range(6)]
    parts = texts(await collected(backend, request, [0, 1, 2])) + texts(await collected(backend, request, [3, 4, 5]))
    assert one_by_one == together
    assert parts == together


async def test_requests_side_by_side_do_not_mix(server: LiveServer, backend: OpenAIBackend) -> None:
    words = ("river", "stone", "cloud")
    requests = [ask(server, f"Repeat this word: {word}", temperature=0.0) for word in words]
    at_once = await asyncio.gather(*(collected(backend, request, [0]) for request in requests))
    # Not word for word as when asked alone: what a slot remembers of another prompt rounds a little otherwise.
    for word, samples in zip(words, at_once, strict=True):
        assert [other for other in words if other in samples[0].text.lower()] == [word]


async def test_a_prompt_beyond_the_context_has_an_empty_answer_or_ends_the_draw(
    server: LiveServer, backend: OpenAIBackend
) -> None:
    request = ask(server, "word " * 6000)
    (sample,) = await collected(backend, request, [0])
    assert (sample.text, sample.prompt_tokens, sample.generation_tokens) == ("", 0, 0)
    strict = OpenAIBackend(Endpoint(server.url, unanswered="fail"))
    with pytest.raises(EndpointError, match="status 400"):
        await collected(strict, request, [0])
    await strict.aclose()
