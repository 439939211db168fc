"""What the tests' own servers share: they listen on the loopback address, one task for each connection."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class LoopbackServer(ABC):
    """Listens at `base_url` until its block ends, which cuts off the connections that are open by then."""

    base_url: str

    async def __aenter__(self) -> Self:
        self._handlers: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._handlers:
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)

    @abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one connection and closes it."""


@contextmanager
def in_a_thread(servers: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Runs servers in a thread of their own until the block ends, for programs that own their event loop."""
    started, stop = threading.Event(), threading.Event()
    opened: list[T] = []

    async def serve() -> None:
        async with servers as running:
            opened.append(running)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(30)
        yield opened[0]
    finally:
        stop.set()
        thread.join(10)
