"""Answers from recorded samples alone."""

from __future__ import annotations

from collections.abc import Sequence

from environment.backend import Receiver
from storage.sample import GenerationRequest, SampleSource
from tools.errors import MissingSample

SHOWN = 80


class ReplayBackend:
    """A backend that generates nothing: what its source holds is all there is."""

    free = True

    def __init__(self, source: SampleSource, origin: str, remedy: str = "record them with `agenttts record`") -> None:
        """`origin` names the recording in messages, `remedy` what to do about what it lacks."""
        self._source = source
        self._origin = origin
        self._remedy = remedy

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        """Delivers the recorded samples. Raises MissingSample naming exactly which are absent."""
        held = self._source.fetch([request.key]).get(request.key, {})
        if known := {index: held[index] for index in indices if index in held}:
            async with receiver.sending(len(known), self._origin) as sending:
                sending.go()
                sending.settled()
                await receiver.deliver(known)
        if missing := [index for index in indices if index not in held]:
            question = request.messages[-1].content.replace("\n", " ")[-SHOWN:]
            raise MissingSample(
                f"{self._origin} lacks {len(missing)} of the {len(indices)} samples asked of {request.model} "
                f"(indices {', '.join(map(str, missing))}; it holds {len(held)} of this request, "
                f'key {request.key[:12]}) for the prompt ending in "{question}"; {self._remedy}'
            )

    async def aclose(self) -> None:
        """Nothing to release."""
