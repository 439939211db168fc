"""The recorded benchmark behind a faulty endpoint, in a thread of its own, as a task that a session can search."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from environment.loading import load_task
from environment.pipelines.sources import RECORDINGS, SUFFIX
from environment.recording import Recording
from environment.task import Task
from storage.sample import SampleSource
from tests.environment.fault_proxy import FaultProxy
from tests.environment.loopback_server import in_a_thread
from tests.environment.recorded_server import RecordedServer, first_sample, request_of

EXAMPLES = 5
HASTE = 100
"""How much faster than the world the backend's clock is, so that waits between attempts cost little."""


class HurriedClock:
    """A clock that runs `HASTE` times as fast as the machine's."""

    def now(self) -> float:
        return asyncio.get_running_loop().time() * HASTE

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / HASTE)


@dataclass
class FaultyRecording:
    """The server, the proxy in front of it, and what both logged."""

    server: RecordedServer
    proxy: FaultProxy

    def task(self, **endpoint: Any) -> Task:
        """A few examples of the recorded benchmark, its models behind the proxy."""
        return behind(self.proxy.base_url, **endpoint)

    @property
    def lost(self) -> Counter[tuple[str, int]]:
        """The samples that the server made and the client did not get, as often as that happened."""
        counted: Counter[tuple[str, int]] = Counter()
        for body, place in self.proxy.lost:
            request = request_of(body)
            held = self.server.source.fetch([request.key])[request.key]  # type: ignore[union-attr]
            counted[request.key, (first_sample(request, body, len(held)) or 0) + place] += 1
        return counted


@cache
def recording() -> SampleSource:
    """The recording that ships with the package."""
    (path,) = [path for path in Path(RECORDINGS).glob(f"*{SUFFIX}") if "multihop" in path.name]
    return Recording.read(path)


@cache
def few_examples() -> Task:
    """The recorded benchmark on a few examples, answered from the recording."""
    task = load_task("multihop-recorded")
    return replace(
        task, search_examples=task.search_examples[:EXAMPLES], held_out_examples=task.held_out_examples[:EXAMPLES]
    )


def behind(url: str, **endpoint: Any) -> Task:
    """The same with every model behind one endpoint."""
    options = {"timeout": 20.0, "max_attempts": 12} | endpoint
    task = few_examples()

    def connect() -> dict[str, OpenAIBackend]:
        backend = OpenAIBackend(Endpoint(url, **options), clock=HurriedClock())
        return {model.name: backend for subtask in task.space.subtasks for model in subtask.models}

    return replace(task, connect=connect)


@asynccontextmanager
async def _running(**proxied: Any) -> AsyncIterator[FaultyRecording]:
    async with RecordedServer(source=recording()) as server, FaultProxy(server.base_url, **proxied) as proxy:
        yield FaultyRecording(server, proxy)


def faulty_recording(**proxied: Any) -> AbstractContextManager[FaultyRecording]:
    """Runs both servers until the block ends; `proxied` are the proxy's settings."""
    return in_a_thread(_running(**proxied))
