"""A server's connections: how many there may be, how long a client may take, and how they end."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS_FOR_HEADERS = 10.0
"""How long a client may take to send the head of a request, once it has connected or begun it."""
SECONDS_TO_END = 10
"""How long a server that is asked to end waits for the answers under way."""
BUSY = JSONResponse(
    {"error": {"message": "too many connections; try again later", "type": "server_error", "code": 503}},
    status_code=503,
    headers={"Retry-After": "1", "Connection": "close"},
)


def run(app: ASGIApp, listening: socket.socket, most_connections: int) -> None:
    """Serves an application until SIGINT or SIGTERM, which is how a server is meant to end.

    More than `most_connections` at once are told to come back.
    """
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        limit_concurrency=most_connections,
        timeout_graceful_shutdown=SECONDS_TO_END,
        log_level="warning",
        server_header=False,
        access_log=False,
    )
    # Uvicorn raises the signal that ended it once more: then it must not kill the process.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)


class Connection(H11Protocol):
    """One connection, closed when the head of a request does not come in time.

    Uvicorn itself waits for ever once a first byte has come: whoever sends one a minute would keep
    connections from others. Beyond `limit_concurrency` connections the answer is 503 with Retry-After,
    which Uvicorn's own lacks.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most, self.limit_concurrency = self.limit_concurrency, None
        self._out_of_time: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a request."""
        super().connection_made(transport)
        if self._most is not None and len(self.connections) > self._most:
            self.app = BUSY
        self._wait_or_not()

    def data_received(self, data: bytes) -> None:
        """Takes in a part of a request."""
        super().data_received(data)
        self._wait_or_not()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self._cancel()
        super().connection_lost(exc)

    @property
    def _idle(self) -> bool:
        """Whether no request is being answered: none has come, or what comes is none yet."""
        return self.cycle is None or self.cycle.response_complete

    def _wait_or_not(self) -> None:
        if not self._idle:
            self._cancel()
        elif self._out_of_time is None:
            self._out_of_time = self.loop.call_later(SECONDS_FOR_HEADERS, self._give_up)

    def _give_up(self) -> None:
        self._out_of_time = None
        if self._idle:
            self.transport.close()

    def _cancel(self) -> None:
        if self._out_of_time is not None:
            self._out_of_time.cancel()
            self._out_of_time = None
