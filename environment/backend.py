"""The contract of a backend: where generations come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol, runtime_checkable

from storage.fault import Fault
from storage.sample import GenerationRequest, Sample


class Sending(Protocol):
    """One request on its way, as the receiver of its samples sees it."""

    def go(self) -> None:
        """Called right before the request leaves. Raises where none may leave any more; it is then not sent.

        A request that left and ends with an exception counts as billed in full, unless it is `settled`.
        """
        ...

    def settled(self, lost: int = 0) -> None:
        """What the server bills is known: nothing where it refused or was not reached, else what is delivered.

        Beside that it may have begun `lost` samples that will not come, as a race's losers.
        """
        ...


class Receiver(Protocol):
    """Takes the samples of one call of `Backend.generate`, answer by answer."""

    def sending(self, count: int, endpoint: str) -> AbstractAsyncContextManager[Sending]:
        """Surrounds one request for `count` samples, from before its turn comes until they are delivered.

        Entering it reserves what the request may spend, and waits where that has to be free first.
        Raises SpendingCapReached where it never will be. A backend that does not use it is charged
        for what it delivers.
        """
        ...

    async def deliver(self, samples: Mapping[int, Sample]) -> None:
        """Takes finished samples by index, at least one, and returns when they are safe; each index once.

        Called as soon as an answer is there, so that nothing finished is lost with what is not.
        Raises StorageError where they cannot be kept; the backend lets it through.
        """
        ...

    def note(self, fault: Fault) -> None:
        """Takes down what went wrong, for the session's report; its `lost` figures count as spent."""
        ...


class Backend(Protocol):
    """Produces samples. Called by the Sampler only for samples that the SampleStore lacks.

    One instance serves one endpoint and bounds its own concurrency; calls come from one event
    loop, many at a time. A class whose generations cost nothing, as a recording's, says `free = True`:
    workers then need not agree on who produces one.
    """

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        """Delivers one sample for each index, independent draws, in any order and grouping.

        Of a request with a race all its samples are asked for at once and delivered at once: index i
        is the one that finished as number i, and only those that were cancelled may be lost.

        Raises EndpointError when the endpoint failed for good, MissingSample when a recording
        does not hold one of them; what was finished by then, and what was under way and finishes
        after it, is delivered all the same. Nothing but a complete, valid response becomes a sample.
        """
        ...

    async def aclose(self) -> None:
        """Releases connections. The backend is not used afterwards."""
        ...


def is_free(backend: Backend) -> bool:
    """Whether a backend says that its generations cost nothing."""
    return bool(getattr(backend, "free", False))


@runtime_checkable
class Shared(Protocol):
    """A backend whose endpoint several processes drive; each of them has its own backend."""

    def share(self, part: int, parts: int) -> None:
        """Called once, before anything is generated: this is process `part` (from 0) of so many.

        Together they then send no more than one alone might. Raises InvalidInput where they are too many.
        """
        ...


def part_of(whole: int, part: int, parts: int) -> int:
    """How much of a whole falls to a process that is `part` (from 0) of so many; the shares add up to it."""
    return whole * (part + 1) // parts - whole * part // parts


async def close_all(backends: Mapping[str, Backend]) -> None:
    """Closes the backends of some models, each once, though several models may share one."""
    for backend in set(backends.values()):
        await backend.aclose()


class Unlimited:
    """The sending of a request that nobody counts."""

    def go(self) -> None:
        """It may leave."""

    def settled(self, lost: int = 0) -> None:
        """Nothing was reserved."""


class Collected:
    """A receiver that keeps the samples in memory and sets no limits."""

    def __init__(self) -> None:
        self.samples: dict[int, Sample] = {}

    def sending(self, count: int, endpoint: str) -> AbstractAsyncContextManager[Sending]:
        """Any request may be sent."""
        return nullcontext(Unlimited())

    async def deliver(self, samples: Mapping[int, Sample]) -> None:
        """Keeps them."""
        self.samples.update(samples)

    def note(self, fault: Fault) -> None:
        """Nobody asks."""


async def collected(backend: Backend, request: GenerationRequest, indices: Sequence[int]) -> list[Sample]:
    """The samples of the indices, in their order, straight from a backend. Raises what it raises."""
    receiver = Collected()
    await backend.generate(request, indices, receiver)
    return [receiver.samples[index] for index in indices]
