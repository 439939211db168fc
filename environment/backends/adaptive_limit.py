"""How many requests an endpoint gets at once: additive increase, multiplicative decrease."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from environment.backends.prefix_order import Ask, PrefixOrder

ANY = Ask()


@dataclass(frozen=True, slots=True)
class _Turn:
    come: asyncio.Future[None]
    choices: int


class AdaptiveLimit:
    """Halved when the endpoint is overloaded, raised by one for every full round of successes.

    Never below 1 nor above `most`. What was sent before the last cut tells nothing about the limit
    after it and does not cut again. Those who wait go by age.

    Where the server's slots are known, a request goes once a slot is free for at least one of its samples, since
    it would wait in the server otherwise, and those who wait go in a PrefixOrder.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._in_flight = 0
        self._choices = 0
        self._sent = 0
        self._sent_at_cut = 0
        self._order: PrefixOrder[_Turn] = PrefixOrder()
        self._held: deque[str] = deque(maxlen=most)
        self._is_admitting = False
        self.slots: int | None = None

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

    async def acquire(self, ask: Ask = ANY) -> int:
        """Takes a place, when one is free; returns the request's number, to be given back with its outcome."""
        loop = asyncio.get_running_loop()
        turn = _Turn(loop.create_future(), ask.choices)
        waiting = self._order.add(ask.prompt, turn)
        if not self._is_admitting:
            # Not at once: those that come in the same tick are chosen among.
            self._is_admitting = True
            loop.call_soon(self._admit)
        try:
            await turn.come
        except asyncio.CancelledError:
            self._order.discard(waiting)
            if turn.come.done() and not turn.come.cancelled():
                self.release(ask)
            raise
        self._sent += 1
        return self._sent

    def release(self, ask: Ask = ANY) -> None:
        """Gives the place back that was taken for this."""
        self._in_flight -= 1
        self._choices -= ask.choices
        self._order.ended(ask.prompt)
        self._held.append(ask.prompt)
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
        while self._order and self._is_free():
            held = self._held.pop() if self._held else ""
            waiting = self._order.take(held, choose=self.slots is not None)
            if waiting.item.come.done():  # cancelled in this tick
                self._order.ended(waiting.prompt)
                self._held.append(held)
                continue
            self._in_flight += 1
            self._choices += waiting.item.choices
            waiting.item.come.set_result(None)

    def _is_free(self) -> bool:
        return self._in_flight < self.limit and (self.slots is None or self._choices < self.slots)
