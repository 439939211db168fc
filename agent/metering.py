"""What the search agent's own model spends, on the session's account."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from environment.spending import Spending
from tools.spending import Spent


@dataclass(slots=True)
class Bill:
    """What one call comes to: the most it may, until its answer tells."""

    spent: Spent


class Meter(Protocol):
    """Counts model calls."""

    @contextmanager
    def call(self, most: Spent) -> Iterator[Bill]:
        """Surrounds one call, from the thread that makes it. Raises SpendingCapReached where it may not be made."""
        ...


class Unmetered:
    """For searches that belong to no session."""

    @contextmanager
    def call(self, most: Spent) -> Iterator[Bill]:
        """Any call may be made."""
        yield Bill(most)


class SessionMeter:
    """Reserves each call at once: they are few and may be dear.

    What an answer came to is stored with its transcript, in one transaction (Archive.keep_transcript), so
    that no crash parts them; what a failed call may have cost is stored here.
    """

    def __init__(self, spending: Spending, loop: asyncio.AbstractEventLoop) -> None:
        """`spending` belongs to `loop`; calls come from other threads."""
        self._spending = spending
        self._loop = loop

    @contextmanager
    def call(self, most: Spent) -> Iterator[Bill]:
        """Waits for room under the session's caps, as its generations do."""
        held = self._spending.holding(most)
        asyncio.run_coroutine_threadsafe(held.__aenter__(), self._loop).result()
        bill, answered = Bill(most), False
        try:
            yield bill
            answered = True
        finally:
            self._spending.account.charge(bill.spent)
            asyncio.run_coroutine_threadsafe(held.__aexit__(None, None, None), self._loop).result()
            if not answered:
                self._spending.account.flush()
