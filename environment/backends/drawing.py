"""The requests of one draw, side by side: after a failure none is sent, and those under way finish."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class Drawing:
    """Runs the parts of a draw as tasks; a part may start further ones.

    The first part that fails ends the draw. Parts whose request was sent by then were paid, so they
    finish; the others are cancelled.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._parts: set[asyncio.Task[None]] = set()
        self._sent: set[asyncio.Task[Any] | None] = set()
        self._failure: Exception | None = None

    async def run(self, parts: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Returns when every part is done. Raises what the first one to fail raised."""
        async with self._group:
            for part in parts:
                self.start(part)
        self.require_whole()

    def start(self, part: Coroutine[Any, Any, None]) -> None:
        """Adds a part; none is added after a failure."""
        if self._failure is not None:
            part.close()
            return
        task = self._group.create_task(self._guarded(part))
        self._parts.add(task)
        task.add_done_callback(self._parts.discard)

    def require_whole(self) -> None:
        """Raises what the first part to fail raised, if one has."""
        if self._failure is not None:
            raise self._failure

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Marks the running part as paid for, from the sending of its request on; unmarks it where that fails."""
        part = asyncio.current_task()
        self._sent.add(part)
        try:
            yield
        except BaseException:
            self._sent.discard(part)
            raise

    async def _guarded(self, part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        except Exception as failure:  # noqa: BLE001 - raised by run, once the parts under way are done
            self._failure = self._failure or failure
            for task in self._parts - self._sent:
                task.cancel()
