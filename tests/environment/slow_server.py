"""The recorded benchmark behind a server that takes its time and remembers when it had which request."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Set
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field

from tests.environment.chat_server import Body, Reply
from tests.environment.faulty_recording import recording
from tests.environment.loopback_server import in_a_thread
from tests.environment.recorded_server import RecordedServer, first_sample, request_of

Made = tuple[str, int]
"""A sample: its request's key and its index."""


@dataclass
class SlowServer(RecordedServer):
    """`heard` is called with the number of requests so far."""

    heard: Callable[[int], None] = lambda count: None
    times: list[tuple[float, frozenset[Made]]] = field(default_factory=list)

    def complete(self, body: Body) -> Reply:
        request = request_of(body)
        assert self.source is not None
        first = first_sample(request, body, len(self.source.fetch([request.key]).get(request.key, {}))) or 0
        asked = frozenset((request.key, index) for index in range(first, first + body.get("n", 1)))
        self.times.append((time.monotonic(), asked))
        self.heard(len(self.bodies))
        return super().complete(body)

    def under_way(self, start: float, end: float) -> Set[Made]:
        """The samples of the requests that it had at some time from start to end, in monotonic seconds."""
        held = [asked for began, asked in self.times if began <= end and began + self.latency >= start]
        return frozenset().union(*held)

    @property
    def repeated(self) -> Set[Made]:
        """The samples that it made more than once."""
        return {sample for sample, times in Counter(self.made).items() if times > 1}


@asynccontextmanager
async def _running(latency: float) -> AsyncIterator[SlowServer]:
    async with SlowServer(source=recording(), latency=latency) as server:
        yield server


def slow_server(latency: float) -> AbstractContextManager[SlowServer]:
    """Runs the server in a thread of its own until the block ends."""
    return in_a_thread(_running(latency))
