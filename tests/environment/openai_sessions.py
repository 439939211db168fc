"""Backends of a scripted server, for the tests of the OpenAI-compatible backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from environment.backends.chat_request import draw_seed
from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from storage.sample import GenerationRequest, Message, SamplingParameters
from tests.environment.chat_server import ChatServer, text_of

KEY_ENV = "AGENTTTS_TEST_KEY"


class Waits(list[float]):
    """A clock that ticks only by sleeping, which takes no time, and notes how long it slept."""

    def now(self) -> float:
        return sum(self)

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)


@asynccontextmanager
async def connected(
    server: ChatServer, waits: Waits | None = None, **endpoint: Any
) -> AsyncIterator[tuple[ChatServer, OpenAIBackend]]:
    """A started server and a backend of it that never sleeps for real."""
    async with server:
        options = {"key_env": KEY_ENV, "timeout": 20.0} | endpoint
        backend = OpenAIBackend(Endpoint(server.base_url, **options), clock=Waits() if waits is None else waits)
        try:
            yield server, backend
        finally:
            await backend.aclose()


def ask(text: str = "hello", *, temperature: float = 0.9, max_tokens: int = 16) -> GenerationRequest:
    """A request of the model "m"."""
    return GenerationRequest("m", (Message("user", text),), SamplingParameters(temperature, max_tokens))


def expected_texts(request: GenerationRequest, indices: range | list[int]) -> list[str]:
    """What the scripted server draws for these samples, however they are batched."""
    return [text_of(draw_seed(request, index)) for index in indices]
