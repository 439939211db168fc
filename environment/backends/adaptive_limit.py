"""How many requests an endpoint gets at once: additive increase, multiplicative decrease."""

from __future__ import annotations

import asyncio
from collections import deque


class AdaptiveLimit:
    """Halved when the endpoint is overloaded, raised by one for every full round of successes.

    Never below 1 nor above `most`. What was sent before the last cut tells nothing about the limit
    after it and does not cut again. Those who wait go in their order.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._in_flight = 0
        self._sent = 0
        self._sent_at_cut = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many may be under way now."""
        return int(self._limit)

    @property
    def in_flight(self) -> int:
        """How many are under way."""
        return self._in_flight

    def narrow(self, most: int) -> None:
        """From now on never above `most`."""
        self._most = most
        self._limit = min(self._limit, float(most))

    async def acquire(self) -> int:
        """Takes a place, when one is free; returns the request's number, to be given back with its outcome."""
        if self._in_flight >= self.limit or self._waiting:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self.release()
                raise
        else:
            self._in_flight += 1
        self._sent += 1
        return self._sent

    def release(self) -> None:
        """Gives the place back."""
        self._in_flight -= 1
        self._admit()

    def succeeded(self) -> None:
        """An answer came: the limit grows by its share of a round."""
        self._limit = min(float(self._most), self._limit + 1 / self._limit)
        self._admit()

    def overloaded(self, number: int) -> None:
        """Request `number` was turned away or timed out."""
        if number > self._sent_at_cut:
            self._limit = max(1.0, self._limit / 2)
            self._sent_at_cut = self._sent

    def _admit(self) -> None:
        while self._waiting and self._in_flight < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)
