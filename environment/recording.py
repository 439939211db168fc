"""A recording: real generations in one compressed file, answered from as a SampleSource."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.sample import Sample
from tools.errors import InvalidInput

FORMAT = 1


@dataclass(frozen=True)
class Recording:
    """Samples by content address, and the card that says where they come from.

    The file is XZ-compressed JSON lines: the card, then one line per request with its key, its
    prompt tokens and its samples as [text, generation tokens, latency in seconds, finish reason] and,
    where it is known, the mean log-probability of the tokens.
    """

    card: Mapping[str, Any]
    samples: Mapping[str, Mapping[int, Sample]]

    def fetch(self, keys: Iterable[str]) -> Mapping[str, Mapping[int, Sample]]:
        """The recorded samples of each key; a key without samples is absent."""
        return {key: self.samples[key] for key in keys if key in self.samples}

    @property
    def size(self) -> int:
        """How many samples are held."""
        return sum(len(samples) for samples in self.samples.values())

    def write(self, path: Path) -> None:
        """Writes the file; the same content gives the same bytes."""
        with lzma.open(path, "wt", preset=9 | lzma.PRESET_EXTREME, encoding="utf-8") as file:
            file.write(json.dumps({"format": FORMAT, **self.card}, ensure_ascii=False) + "\n")
            for key in sorted(self.samples):
                samples = self.samples[key]
                rows = [_row(samples[index]) for index in range(len(samples))]
                prompt_tokens = max(sample.prompt_tokens for sample in samples.values())
                file.write(json.dumps([key, prompt_tokens, rows], ensure_ascii=False, separators=(",", ":")) + "\n")

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Raises InvalidInput when the file is missing or is no recording of this format."""
        try:
            with lzma.open(path, "rt", encoding="utf-8") as file:
                card = json.loads(next(file))
                if card.get("format") != FORMAT:
                    raise InvalidInput(str(path), f"has format {card.get('format')!r}, this version reads {FORMAT}")
                return cls(
                    card,
                    {key: _samples(prompt_tokens, rows) for key, prompt_tokens, rows in map(json.loads, file)},
                )
        except FileNotFoundError:
            raise InvalidInput(str(path), "no such recording; make it with `agenttts record`") from None
        except (lzma.LZMAError, EOFError, ValueError, StopIteration, AttributeError) as error:
            raise InvalidInput(str(path), f"is not a recording or is damaged ({error})") from None


def _row(sample: Sample) -> list[Any]:
    known = [] if sample.mean_logprob is None else [round(sample.mean_logprob, 5)]
    return [sample.text, sample.generation_tokens, round(sample.latency, 3), sample.finish_reason, *known]


def _samples(prompt_tokens: int, rows: list[list[Any]]) -> dict[int, Sample]:
    # The first sample pays the prompt that all of them share.
    return {
        index: Sample(text, prompt_tokens if index == 0 else 0, tokens, latency, reason, *logprob)
        for index, (text, tokens, latency, reason, *logprob) in enumerate(rows)
    }
