"""The contract of a backend: where generations come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from storage.sample import GenerationRequest, Sample


class Receiver(Protocol):
    """Takes the samples of one call of `Backend.generate`, answer by answer."""

    async def deliver(self, samples: Mapping[int, Sample]) -> None:
        """Takes finished samples by index, at least one, and returns when they are safe; each index once.

        Called as soon as an answer is there, so that nothing finished is lost with what is not.
        Raises StorageError where they cannot be kept; the backend lets it through.
        """
        ...


class Backend(Protocol):
    """Produces samples. Called by the Sampler only for samples that the SampleStore lacks.

    One instance serves one endpoint and bounds its own concurrency; calls come from one event
    loop, many at a time.
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


class Collected:
    """A receiver that keeps the samples in memory."""

    def __init__(self) -> None:
        self.samples: dict[int, Sample] = {}

    async def deliver(self, samples: Mapping[int, Sample]) -> None:
        """Keeps them."""
        self.samples.update(samples)


async def collected(backend: Backend, request: GenerationRequest, indices: Sequence[int]) -> list[Sample]:
    """The samples of the indices, in their order, straight from a backend. Raises what it raises."""
    receiver = Collected()
    await backend.generate(request, indices, receiver)
    return [receiver.samples[index] for index in indices]
