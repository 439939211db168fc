"""How many requests an endpoint gets at once: additive increase, multiplicative decrease."""

from __future__ import annotations

import asyncio
from collections import deque

from environment.backends.prefix_order import PrefixOrder

Turn = asyncio.Future[None]


class AdaptiveLimit:
    """Halved when the endpoint is overloaded, raised by one for every full round of successes.

    Never below 1 nor above `most`. What was sent before the last cut tells nothing about the limit
    after it and does not cut again. Those who wait go in a PrefixOrder, and no place is free while one waits.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._in_flight = 0
        self._sent = 0
        self._sent_at_cut = 0
        self._order: PrefixOrder[Turn] = PrefixOrder()
        self._held: deque[str] = deque(maxlen=most)
        self._is_admitting = False

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

    async def acquire(self, prompt: str = "") -> int:
        """Takes a place, when one is free; returns the request's number, to be given back with its outcome.

        `prompt` is what it is ordered by and given back with.
        """
        loop = asyncio.get_running_loop()
        turn: Turn = loop.create_future()
        waiting = self._order.add(prompt, turn)
        if not self._is_admitting:
            # Not at once: those that come in the same tick are chosen among.
            self._is_admitting = True
            loop.call_soon(self._admit)
        try:
            await turn
        except asyncio.CancelledError:
            self._order.discard(waiting)
            if turn.done() and not turn.cancelled():
                self.release(prompt)
            raise
        self._sent += 1
        return self._sent

    def release(self, prompt: str = "") -> None:
        """Gives the place back."""
        self._in_flight -= 1
        self._order.ended(prompt)
        self._held.append(prompt)
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
        self._is_admitting = False
        while self._order and (free := self.limit - self._in_flight) > 0:
            held = self._held.pop() if self._held else ""
            waiting = self._order.take(held, choose=len(self._order) > free)
            if waiting.item.done():  # cancelled in this tick
                self._order.ended(waiting.prompt)
                self._held.append(held)
                continue
            self._in_flight += 1
            waiting.item.set_result(None)
