"""Samples in memory, for runs that leave nothing behind and for recorded ones, which a database would slow down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from storage.sample import GenerationRequest, Sample


@dataclass(frozen=True, slots=True)
class MemoryStore:
    """A SampleSink for one run; writing a sample twice keeps the first."""

    samples: dict[str, dict[int, Sample]] = field(default_factory=dict)

    def fetch(self, keys: Iterable[str]) -> Mapping[str, Mapping[int, Sample]]:
        """The samples of each key; a key without samples is absent."""
        return {key: self.samples[key] for key in keys if key in self.samples}

    def put(self, entries: Iterable[tuple[GenerationRequest, int, Sample]]) -> bool:
        """Keeps samples. Tells whether none of them was there before."""
        all_new = True
        for request, index, sample in entries:
            known = self.samples.setdefault(request.key, {})
            all_new = all_new and index not in known
            known.setdefault(index, sample)
        return all_new
