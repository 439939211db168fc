"""A session's spending as its requests meet it: they wait for room under the caps, or are refused for good."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Protocol, TypeVar

from environment.prompt_tokens import most_tokens
from storage.fault import Fault
from storage.sample import GenerationRequest, Sample
from tools.errors import SpendingCapReached
from tools.space import Model
from tools.spending import Granted, SpendingCaps, SpendingLedger, Spent

T = TypeVar("T")
ASKS_AGAIN_AFTER = 1.0
"""Seconds after which a request that waits for others' reservations looks again."""


class Account(Protocol):
    """Where spending is counted: a SpendingLedger in memory, or a session's account in its database.

    `waits` says that its calls take a disk's time, so that they are made in threads.
    """

    waits: bool
    caps: SpendingCaps

    def charge(self, actual: Spent) -> None:
        """Counts what an answer came to; never waits."""
        ...

    def release(self, number: int) -> None:
        """Ends a reservation; never waits."""
        ...

    def reserve(self, wishes: Sequence[Spent]) -> Granted:
        """Reserves the most that requests may come to, in their order, up to the first that does not fit now."""
        ...

    def flush(self) -> None:
        """Returns when what was counted is safe."""
        ...


def _now() -> datetime:
    return datetime.now(UTC)


class Spending:
    """Asked before every request; belongs to one event loop.

    A request that does not fit beside those under way waits for them, since they may come to less than
    is reserved. One that will never fit is refused, as is every further one. Where no cap limits
    amounts nothing is reserved.
    """

    def __init__(
        self,
        account: Account | None = None,
        models: Mapping[str, Model] | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        """`models` tell the prices."""
        self.account: Account = account or SpendingLedger()
        self._models = models or {}
        self._now = now
        self._waiting: deque[tuple[Spent, asyncio.Future[int]]] = deque()
        self._clerk: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._closed: Exception | None = None

    def close(self, reason: Exception) -> None:
        """Lets nothing be sent any more; whoever waits gets the reason."""
        self._closed = self._closed or reason
        for _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(self._closed)
        self._waiting.clear()
        self._news.set()

    def require_open(self) -> None:
        """Raises SpendingCapReached past the deadline, and why nothing may be sent where that is so."""
        deadline = self.account.caps.deadline
        if self._closed is None and deadline is not None and self._now() >= deadline:
            self.close(SpendingCapReached(f"--deadline {deadline.isoformat(timespec='seconds')}"))
        if self._closed is not None:
            raise self._closed

    def reserved(self, request: GenerationRequest, count: int) -> AbstractAsyncContextManager[None]:
        """Holds back the most that a request for `count` samples may come to while it is under way.

        Raises SpendingCapReached where it will never fit.
        """
        if self.account.caps.limit_amounts:
            return self.holding(self.most(request, count))
        self.require_open()
        return nullcontext()

    def most(self, request: GenerationRequest, count: int) -> Spent:
        """The most that a request for `count` samples may come to; its prompt's tokens are estimated."""
        return Spent.of(self._models.get(request.model), count, *most_tokens(request, count))

    @asynccontextmanager
    async def holding(self, most: Spent) -> AsyncIterator[None]:
        """Holds so much back where a cap limits amounts. Raises SpendingCapReached where it will never fit."""
        self.require_open()
        if not self.account.caps.limit_amounts:
            yield
            return
        number = await self._turn(most)
        try:
            yield
        finally:
            self._release(number)

    def charge(self, request: GenerationRequest, samples: Mapping[int, Sample]) -> None:
        """Counts samples that came in."""
        prompt_tokens = sum(sample.prompt_tokens for sample in samples.values())
        generation_tokens = sum(sample.generation_tokens for sample in samples.values())
        model = self._models.get(request.model)
        self.account.charge(Spent.of(model, len(samples), prompt_tokens, generation_tokens))

    def charge_lost(self, fault: Fault) -> None:
        """Counts what may have been billed without coming in."""
        lost = (fault.lost_generations, fault.lost_prompt_tokens, fault.lost_generation_tokens)
        self.account.charge(Spent.of(self._models.get(fault.model), *lost))

    async def flush(self) -> None:
        """Returns when all that was counted is safe. Raises StorageError."""
        await self._in_thread(self.account.flush)

    async def _turn(self, most: Spent) -> int:
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((most, turn))
        self._news.set()
        if self._clerk is None or self._clerk.done():
            self._clerk = asyncio.get_running_loop().create_task(self._serve_waiting())
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._release(turn.result())
            raise

    def _release(self, number: int) -> None:
        self.account.release(number)
        self._news.set()

    async def _serve_waiting(self) -> None:
        """Lets those through who fit now, in their order, and refuses those who never will."""
        while self._waiting:
            self._news.clear()
            try:
                self.require_open()
                await self._serve_once()
            except Exception as error:  # noqa: BLE001 - handed to everyone who waits, which raises it
                self.close(error)

    async def _serve_once(self) -> None:
        asked = [(most, turn) for most, turn in self._waiting if not turn.done()]
        self._waiting = deque(asked)
        granted = await self._in_thread(partial(self.account.reserve, [most for most, _ in asked]))
        for number, (_, turn) in zip(granted.numbers, asked, strict=False):
            if turn.done():
                self._release(number)
            else:
                turn.set_result(number)
        served = len(granted.numbers)
        if served < len(asked):
            most, _ = asked[served]
            if cap := self.account.caps.exceeded_by(granted.spent + most):
                raise SpendingCapReached(cap)
        self._waiting = deque(waiting for waiting in self._waiting if not waiting[1].done())
        if served < len(asked):
            await self._news_or_time()

    async def _news_or_time(self) -> None:
        try:
            async with asyncio.timeout(ASKS_AGAIN_AFTER):
                await self._news.wait()
        except TimeoutError:
            return

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """What the account answers, without holding up the event loop where it waits for a disk."""
        return await asyncio.to_thread(call) if self.account.waits else call()
