"""Every strategy in a search on a real llama.cpp server, and what races and log-probabilities rest on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

import agenttts as tts
from environment.backend import collected
from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from environment.strategy import STRATEGIES
from storage.sample import GenerationRequest, Message, Race, SamplingParameters
from tests.live.conftest import LiveServer

pytestmark = pytest.mark.live

NEEDS_TESTS = {"b4"}


@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES.names()) - NEEDS_TESTS - {"self-consistency"}))
def test_a_search_with_each_strategy_is_stored_and_paid_once(server: LiveServer, tmp_path: Path, strategy: str) -> None:
    options = {"models": [server.spec], "strategy": strategy, "sample_counts": [4, 5]}
    options |= {"search_examples": 1, "held_out_examples": 1}
    settings: dict[str, Any] = {"searcher": "random", "trials": 2, "budget": 1e4, "task_options": options}
    first, second = (tts.run("multihop", storage=f"sqlite:///{tmp_path}/a.db", **settings) for _ in range(2))
    assert [trial.state for trial in first.trials] == ["complete", "complete"]
    assert sum(trial.usage.paid for trial in first.trials) > 0
    assert [trial.usage.paid for trial in second.trials] == [0, 0]
    assert [trial.stage_scores for trial in second.trials] == [trial.stage_scores for trial in first.trials]


async def test_the_server_stops_what_a_race_cancels(server: LiveServer) -> None:
    """Stories of 400 tokens and more, cut off as soon as both are on their way; without a stream it would go on."""
    backend = OpenAIBackend(Endpoint(server.url, timeout=600))
    message = Message("user", "Write a very long story about the sea.")
    request = GenerationRequest(server.model, (message,), SamplingParameters(0.9, 400), Race(2, 1))
    async with httpx.AsyncClient(base_url=server.root, timeout=60) as client:
        racing = asyncio.ensure_future(collected(backend, request, [0]))
        while len(await decoded(client)) < 2:
            await asyncio.sleep(0.01)
        racing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await racing
        last: list[int] = []
        while now := await decoded(client):
            last = now
            await asyncio.sleep(0.01)
    await backend.aclose()
    assert max(last, default=0) < 300


async def decoded(client: httpx.AsyncClient) -> list[int]:
    """How many tokens each of the server's busy slots has written."""
    slots = (await client.get("/slots")).raise_for_status().json()
    return [slot["next_token"][0]["n_decoded"] for slot in slots if slot["is_processing"]]


async def test_log_probabilities_are_the_same_however_samples_are_batched(server: LiveServer) -> None:
    backend = OpenAIBackend(Endpoint(server.url))
    messages = (Message("user", "Name a colour."),)
    request = GenerationRequest(server.model, messages, SamplingParameters(0.9, 12, stop=("\n",)))
    together = await collected(backend, request, range(4))
    alone = [(await collected(backend, request, [index]))[0] for index in range(4)]
    greedy = GenerationRequest(server.model, messages, SamplingParameters(0.0, 12, stop=("\n",)))
    (surest,) = await collected(backend, greedy, [0])
    await backend.aclose()
    for one, other in zip(together, alone, strict=True):
        assert one.mean_logprob is not None
        assert one.mean_logprob < 0
        assert other.mean_logprob == pytest.approx(one.mean_logprob, abs=0.05)
    assert surest.mean_logprob is not None
    assert surest.mean_logprob > min(sample.mean_logprob or 0 for sample in together)
