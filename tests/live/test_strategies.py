"""Every strategy in a search on a real llama.cpp server, and what races and log-probabilities rest on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

import agenttts as tts
from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from environment.strategy import STRATEGIES
from storage.sample import GenerationRequest, Message, SamplingParameters
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


async def test_the_server_stops_when_a_connection_closes(server: LiveServer) -> None:
    """What races rest on: a generation whose request is cancelled decodes fewer tokens than it would have."""
    backend = OpenAIBackend(Endpoint(server.url, timeout=600))
    message = Message("user", "Write a very long story about the sea.")
    request = GenerationRequest(server.model, (message,), SamplingParameters(0.9, 1000))
    (whole,) = await backend.generate(request, [0])
    assert whole.generation_tokens > 200, "too short to be cut off"
    async with httpx.AsyncClient(base_url=server.root, timeout=60) as client:
        cut = asyncio.ensure_future(backend.generate(request, [0]))
        while not (slot := await busy_slot(client)):
            await asyncio.sleep(0.01)
        cut.cancel()
        while (now := await busy_slot(client)) is not None:
            slot = now
            await asyncio.sleep(0.01)
    await backend.aclose()
    assert slot["next_token"][0]["n_decoded"] < whole.generation_tokens - 50


async def busy_slot(client: httpx.AsyncClient) -> dict[str, Any] | None:
    """The slot of the server that is generating, if one is."""
    slots = (await client.get("/slots")).raise_for_status().json()
    return next((slot for slot in slots if slot["is_processing"]), None)


async def test_log_probabilities_are_the_same_however_samples_are_batched(server: LiveServer) -> None:
    backend = OpenAIBackend(Endpoint(server.url))
    messages = (Message("user", "Name a colour."),)
    request = GenerationRequest(server.model, messages, SamplingParameters(0.9, 12, stop=("\n",)))
    together = await backend.generate(request, range(4))
    alone = [(await backend.generate(request, [index]))[0] for index in range(4)]
    greedy = GenerationRequest(server.model, messages, SamplingParameters(0.0, 12, stop=("\n",)))
    (surest,) = await backend.generate(greedy, [0])
    await backend.aclose()
    for one, other in zip(together, alone, strict=True):
        assert one.mean_logprob is not None
        assert one.mean_logprob < 0
        assert other.mean_logprob == pytest.approx(one.mean_logprob, abs=0.05)
    assert surest.mean_logprob is not None
    assert surest.mean_logprob > min(sample.mean_logprob or 0 for sample in together)
