"""A session's spending as its requests meet it: they wait for room under the caps, or are refused for good."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from environment.prompt_tokens import most_tokens
from storage.fault import Fault
from storage.sample import GenerationRequest, Sample
from tools.errors import SpendingCapReached
from tools.space import Model
from tools.spending import SpendingCaps, SpendingLedger, Spent


def _now() -> datetime:
    return datetime.now(UTC)


class Spending:
    """Asked before every request; belongs to one event loop.

    A request that does not fit beside those under way waits for them, since they may come to less than
    is reserved. One that will never fit is refused, as is every further one.
    """

    def __init__(
        self,
        caps: SpendingCaps = SpendingCaps(),  # noqa: B008 - it is frozen
        spent: Spent = Spent(),  # noqa: B008 - it is frozen
        models: Mapping[str, Model] | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        """`spent` is what the session spent before, `models` tell the prices."""
        self.ledger = SpendingLedger(caps, spent)
        self._models = models or {}
        self._now = now
        self._waiting: deque[tuple[Spent, asyncio.Future[int]]] = deque()
        self._closed: Exception | None = None

    def close(self, reason: Exception) -> None:
        """Lets nothing be sent any more; whoever waits gets the reason."""
        self._closed = self._closed or reason
        self._serve_waiting()

    def require_open(self) -> None:
        """Raises SpendingCapReached past the deadline, and why nothing may be sent where that is so."""
        deadline = self.ledger.caps.deadline
        if self._closed is None and deadline is not None and self._now() >= deadline:
            self.close(SpendingCapReached(f"--deadline {deadline.isoformat(timespec='seconds')}"))
        if self._closed is not None:
            raise self._closed

    def most(self, request: GenerationRequest, count: int) -> Spent:
        """The most that a request for `count` samples may come to; its prompt's tokens are estimated."""
        return Spent.of(self._models.get(request.model), count, *most_tokens(request, count))

    @asynccontextmanager
    async def reserved(self, most: Spent) -> AsyncIterator[None]:
        """Holds so much back while a request is under way. Raises SpendingCapReached where it will never fit."""
        self.require_open()
        number = None if self._waiting else self.ledger.reserve(most)
        if number is None:
            turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._waiting.append((most, turn))
            self._serve_waiting()
            try:
                number = await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled() and turn.exception() is None:
                    self._release(turn.result())
                raise
        try:
            yield
        finally:
            self._release(number)

    def charge(self, request: GenerationRequest, samples: Mapping[int, Sample]) -> None:
        """Counts samples that came in."""
        prompt_tokens = sum(sample.prompt_tokens for sample in samples.values())
        generation_tokens = sum(sample.generation_tokens for sample in samples.values())
        model = self._models.get(request.model)
        self.ledger.charge(Spent.of(model, len(samples), prompt_tokens, generation_tokens))

    def charge_lost(self, fault: Fault) -> None:
        """Counts what may have been billed without coming in."""
        lost = (fault.lost_generations, fault.lost_prompt_tokens, fault.lost_generation_tokens)
        self.ledger.charge(Spent.of(self._models.get(fault.model), *lost))

    def _release(self, number: int) -> None:
        self.ledger.release(number)
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        """Lets those through who fit now, in their order, and refuses those who never will."""
        while self._waiting:
            most, turn = self._waiting[0]
            if not turn.done():
                if self._closed is None and (cap := self.ledger.never_fits(most)):
                    self._closed = SpendingCapReached(cap)
                if self._closed is not None:
                    turn.set_exception(self._closed)
                elif (number := self.ledger.reserve(most)) is not None:
                    turn.set_result(number)
                else:
                    return
            self._waiting.popleft()
