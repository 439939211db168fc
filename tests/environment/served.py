"""A scripted endpoint in a thread of its own, for programs that own their event loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.environment.chat_server import ChatServer
from tests.environment.loopback_server import in_a_thread


@dataclass(frozen=True)
class Served:
    """A running server and its base URL."""

    server: ChatServer

    @property
    def url(self) -> str:
        return self.server.base_url


@contextmanager
def served(latency: float = 0.0) -> Iterator[Served]:
    """Runs a ChatServer until the block ends; each answer takes so many seconds."""
    with in_a_thread(ChatServer(latency=latency)) as server:
        yield Served(server)
