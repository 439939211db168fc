from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from agenttts.testing.backends import QUESTIONS, BackendConformance, Connect, question
from environment.backend import Backend
from environment.backends.replay_backend import ReplayBackend
from environment.recording import Recording
from storage.sample import Sample
from tests.environment.chat_server import ChatServer, Traits
from tests.environment.openai_sessions import connected


def opened(backend: Callable[[], Backend]) -> Connect:
    @asynccontextmanager
    async def connect() -> AsyncIterator[Backend]:
        made = backend()
        try:
            yield made
        finally:
            await made.aclose()

    return connect


class TestReplay(BackendConformance):
    @pytest.fixture
    def connect(self) -> Connect:
        samples = {
            question(number).key: {index: Sample(f"{number}.{index}", 5, 2, 0.1) for index in range(5)}
            for number in range(QUESTIONS)
        }
        return opened(lambda: ReplayBackend(Recording({}, samples), "the test's recording"))

    @pytest.fixture
    def broken(self) -> Connect:
        return opened(lambda: ReplayBackend(Recording({}, {}), "an empty recording"))


class OpenAIConformance(BackendConformance):
    traits = Traits()

    @pytest.fixture
    def connect(self) -> Connect:
        @asynccontextmanager
        async def connect() -> AsyncIterator[Backend]:
            async with connected(ChatServer(self.traits)) as (_, backend):
                yield backend

        return connect

    @pytest.fixture
    def broken(self) -> Connect:
        @asynccontextmanager
        async def connect() -> AsyncIterator[Backend]:
            async with connected(ChatServer(self.traits), max_attempts=2) as (server, backend):
                server.stop_listening()
                yield backend

        return connect


class TestOpenAI(OpenAIConformance):
    pass


class TestOpenAIOnABareServer(OpenAIConformance):
    traits = Traits(most_choices=1, beyond="param", logprobs=False, usage="absent")
