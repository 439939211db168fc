"""Takes down faults without holding up the requests that have them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from storage.fault import Fault
from tools.errors import StorageError

LOG = logging.getLogger(__name__)


class FaultSink(Protocol):
    """Keeps faults durably."""

    def add(self, faults: Sequence[Fault]) -> None:
        """Called from a thread of its own. Raises StorageError."""
        ...


class FaultNotes:
    """Writes faults to a sink, those that gather during one write together; without a sink it forgets them.

    A note that cannot be written is tried again with the next ones: a report that lacks a line is no
    reason to lose generations.
    """

    def __init__(self, sink: FaultSink | None = None) -> None:
        self._sink = sink
        self._pending: list[Fault] = []
        self._writing: asyncio.Task[None] | None = None

    def add(self, fault: Fault) -> None:
        """Notes a fault, to be written soon."""
        if self._sink is None:
            return
        self._pending.append(fault)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def flush(self) -> None:
        """Returns when everything noted so far is on disk, or cannot be written."""
        if self._writing is not None:
            await self._writing
        if self._pending:
            await self._write()

    async def _write(self) -> None:
        while self._sink is not None and self._pending:
            batch, self._pending = self._pending, []
            try:
                await asyncio.to_thread(self._sink.add, batch)
            except StorageError as error:
                self._pending = batch + self._pending
                LOG.warning("faults could not be noted: %s", error)
                return
