"""Samples that are kept in memory alone, for runs that leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from storage.sample import GenerationRequest, Sample


@dataclass(frozen=True, slots=True)
class MemoryStore:
    """A SampleSink for one run; writing a sample twice keeps the first."""

    samples: dict[str, dict[int, Sample]] = field(default_factory=dict)

    def fetch(self, keys: Iterable[str]) -> Mapping[str, Mapping[int, Sample]]:
        """The known samples of each key."""
        return {key: self.samples[key] for key in keys if key in self.samples}

    def put(self, entries: Iterable[tuple[GenerationRequest, int, Sample]]) -> None:
        """Keeps samples."""
        for request, index, sample in entries:
            self.samples.setdefault(request.key, {}).setdefault(index, sample)
