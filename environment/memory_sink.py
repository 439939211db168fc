"""Samples in memory, where no database is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from storage.sample import GenerationRequest, Sample


class MemorySink:
    """Samples in a dictionary: recorded ones need no database, whose transactions would take most of the time."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[int, Sample]] = {}

    def fetch(self, keys: Iterable[str]) -> Mapping[str, Mapping[int, Sample]]:
        """The samples of each key; a key without samples is absent."""
        return {key: self._samples[key] for key in keys if key in self._samples}

    def put(self, entries: Iterable[tuple[GenerationRequest, int, Sample]]) -> None:
        """Keeps samples; the first of an index stays."""
        for request, index, sample in entries:
            self._samples.setdefault(request.key, {}).setdefault(index, sample)
