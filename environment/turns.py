"""Turns to generate: of the workers on one database, one at a time generates for a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from storage.sample import Sample, SampleSource

POLL_SECONDS = 0.2
"""How often a request that another worker generates for is looked at."""


class ClaimSource(Protocol):
    """Who generates for which request; what a worker that is gone had claimed is free."""

    def take(self, keys: Collection[str], release: Collection[str] = ()) -> set[str]:
        """Those of the keys that are ours now, after `release` was given back. Raises StorageError."""
        ...


Samples = Mapping[int, Sample]


@dataclass(slots=True)
class _Wait:
    count: int
    turn: asyncio.Future[tuple[bool, Samples]]


class Turns:
    """Waits for a request's turn, or until the worker whose turn it is has stored what is wanted.

    Belongs to one event loop. What is wanted in one tick, and what is given back by then, is one
    transaction.
    """

    def __init__(self, claims: ClaimSource, store: SampleSource) -> None:
        self._claims = claims
        self._store = store
        self._waiting: dict[str, _Wait] = {}
        self._returned: set[str] = set()
        self._changed = asyncio.Event()
        self._rounds: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def of(self, key: str, count: int) -> AsyncIterator[Samples]:
        """Surrounds the generation of a request's samples 0 to count-1; gives those that are stored.

        All of them, where another worker produced them meanwhile. One block a key at a time.
        Raises StorageError.
        """
        ours, stored = await self._wait(key, count)
        try:
            yield stored
        finally:
            if ours:
                self._give_back(key)

    def close(self) -> None:
        """Looks after nothing any more; whoever waits is cancelled."""
        if self._rounds is not None:
            self._rounds.cancel()
        for wait in self._waiting.values():
            wait.turn.cancel()

    async def _wait(self, key: str, count: int) -> tuple[bool, Samples]:
        turn: asyncio.Future[tuple[bool, Samples]] = asyncio.get_running_loop().create_future()
        self._waiting[key] = _Wait(count, turn)
        self._look()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None and turn.result()[0]:
                self._give_back(key)
            raise
        finally:
            self._waiting.pop(key, None)

    def _give_back(self, key: str) -> None:
        self._returned.add(key)
        self._look()

    def _look(self) -> None:
        self._changed.set()
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.get_running_loop().create_task(self._go_round())

    async def _go_round(self) -> None:
        while self._waiting or self._returned:
            self._changed.clear()
            if self._waiting:
                await self._round()
            # Claims that nobody here needs any more wait a little for a transaction that is made anyway.
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._changed.wait()
            if not self._waiting and not self._changed.is_set():
                await self._round()

    async def _round(self) -> None:
        # Who got the turn, but has not yet run since, still stands among those who wait.
        asked = {key: wait for key, wait in self._waiting.items() if not wait.turn.done()}
        returned, self._returned = self._returned - asked.keys(), self._returned & asked.keys()
        try:
            ours, stored = await asyncio.to_thread(self._take, list(asked), returned)
        except Exception as error:  # noqa: BLE001 - handed to everyone who waits, who raise it
            self._returned |= returned
            for wait in asked.values():
                if not wait.turn.done():
                    wait.turn.set_exception(error)
            return
        self._returned -= ours
        for key, wait in asked.items():
            samples = stored.get(key, {})
            there = all(index in samples for index in range(wait.count))
            if wait.turn.done():
                if key in ours and self._waiting.get(key, wait) is wait:
                    self._returned.add(key)  # whoever wanted it has left
            elif key in ours or there:
                wait.turn.set_result((key in ours, samples))

    def _take(self, keys: list[str], returned: Collection[str]) -> tuple[set[str], Mapping[str, Samples]]:
        ours = self._claims.take(keys, returned)
        # Read after the claims are ours: who had them before has stored by then.
        return ours, self._store.fetch(keys)
