"""What becomes of a generation's samples: charged, stored, and handed to the draws that wait for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from environment.backend import Sending
from environment.fault_notes import FaultNotes
from environment.prompt_tokens import most_tokens
from environment.spending import Spending
from storage.fault import Fault, FaultKind
from storage.sample import GenerationRequest, Sample

Save = Callable[[Iterable[tuple[GenerationRequest, int, Sample]]], Awaitable[Mapping[str, Mapping[int, Sample]]]]
"""Puts samples on disk and gives what is stored of their keys then."""


class Keeper:
    """Receives the samples of one generation.

    `keep` is called with what is stored of the request after each answer, and `idle` whenever none of
    its requests is under way any more.
    """

    def __init__(
        self,
        request: GenerationRequest,
        save: Save,
        keep: Callable[[Mapping[int, Sample], Mapping[int, Sample]], None],
        spending: Spending,
        notes: FaultNotes,
    ) -> None:
        self._request = request
        self._save = save
        self._keep = keep
        self._spending = spending
        self._notes = notes
        self.under_way = 0
        self.idle: Callable[[], None] = _nothing

    def sending(self, count: int, endpoint: str) -> AbstractAsyncContextManager[Sending]:
        """Reserves what a request may come to; counts it as lost where it left and its bill is not known."""
        return _Sending(self, self._spending.reserved(self._request, count), count, endpoint)

    async def deliver(self, samples: Mapping[int, Sample]) -> None:
        """Counts the samples as paid and stores them. Raises StorageError."""
        self._spending.charge(self._request, samples)
        stored = await self._save((self._request, index, sample) for index, sample in samples.items())
        # What another process wrote first counts, here and for the indices that it alone drew.
        self._keep(samples, stored.get(self._request.key, {}))

    def note(self, fault: Fault) -> None:
        """Keeps it for the report, and counts what it may have cost."""
        self._notes.add(fault)
        if fault.lost_generations:
            self._spending.charge_lost(fault)

    def require_open(self) -> None:
        """Raises why nothing may be sent any more, where that is so."""
        self._spending.require_open()

    def left(self, more: int) -> None:
        """Counts the requests under way."""
        self.under_way += more
        if not self.under_way:
            self.idle()

    def lost(self, count: int, endpoint: str) -> None:
        """Notes samples that may have been billed and will not come."""
        prompt_tokens, generation_tokens = most_tokens(self._request, count)
        self.note(
            Fault(
                endpoint,
                self._request.model,
                FaultKind.LOST,
                lost_generations=count,
                lost_prompt_tokens=prompt_tokens,
                lost_generation_tokens=generation_tokens,
            )
        )


class _Sending:
    """One request of a keeper; open from when it leaves until its bill is known."""

    # Written out as a class, since every request passes it: a generator takes several times as long.

    def __init__(self, keeper: Keeper, room: AbstractAsyncContextManager[None], count: int, endpoint: str) -> None:
        self._keeper, self._room, self._count, self._endpoint = keeper, room, count, endpoint
        self._left = False
        self._settled = False
        self._lost = 0

    async def __aenter__(self) -> Sending:
        await self._room.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            lost = self._lost if failure is None else self._count * (self._left and not self._settled)
            if lost:
                self._keeper.lost(lost, self._endpoint)
            if self._left:
                self._keeper.left(-1)
        finally:
            await self._room.__aexit__(kind, failure, trace)

    def go(self) -> None:
        self._keeper.require_open()
        self._left = True
        self._keeper.left(1)

    def settled(self, lost: int = 0) -> None:
        self._settled, self._lost = True, lost


def _nothing() -> None: ...
