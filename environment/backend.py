"""The contract of a backend: where generations come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from storage.sample import GenerationRequest, Sample


class Backend(Protocol):
    """Produces samples. Called by the Sampler only for samples that the SampleStore lacks.

    One instance serves one endpoint and bounds its own concurrency; calls come from one event
    loop, many at a time.
    """

    async def generate(self, request: GenerationRequest, indices: Sequence[int]) -> list[Sample]:
        """One sample for each index, in their order; independent draws, all or an error.

        Of a request with a race all its samples are asked for at once: index i is the one that
        finished as number i, and only those that were cancelled may be lost.

        Raises EndpointError when the endpoint failed for good, MissingSample when a recording
        does not hold one of them. Nothing but a complete, valid response becomes a sample.
        """
        ...

    async def aclose(self) -> None:
        """Releases connections. The backend is not used afterwards."""
        ...
