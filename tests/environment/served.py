"""A scripted endpoint in a thread of its own, for programs that own their event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.environment.chat_server import ChatServer


@dataclass(frozen=True)
class Served:
    """A running server and its base URL."""

    server: ChatServer

    @property
    def url(self) -> str:
        return self.server.base_url


@contextmanager
def served() -> Iterator[Served]:
    """Runs a ChatServer until the block ends."""
    started, stop = threading.Event(), threading.Event()
    server = ChatServer()

    async def serve() -> None:
        async with server:
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(10)
        yield Served(server)
    finally:
        stop.set()
        thread.join(10)
