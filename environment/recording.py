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
from tools.text import shortened
from tools.validation import is_finite

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
    def name(self) -> str:
        """What the recording is called. Raises InvalidInput where its card does not say."""
        name = self.card.get("name")
        if not isinstance(name, str):
            raise InvalidInput("recording", "its card lacks a name; make it with `agenttts record`")
        return name

    @property
    def models(self) -> list[str]:
        """The recorded models by name. Raises InvalidInput where the card does not list them."""
        models = self.card.get("models")
        if not isinstance(models, list) or not models or not all(isinstance(model, str) for model in models):
            raise InvalidInput("recording", "its card lists no names of models; make it with `agenttts record`")
        return models

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
        except OSError as error:
            raise InvalidInput(str(path), f"cannot be read: {error.strerror or error}") from None
        except (
            lzma.LZMAError, EOFError, ArithmeticError, AttributeError, LookupError, RecursionError, StopIteration,
            TypeError, ValueError,
        ) as error:  # fmt: skip
            raise InvalidInput(str(path), f"is not a recording or is damaged ({error})") from None


def _row(sample: Sample) -> list[Any]:
    known = [] if sample.mean_logprob is None else [round(sample.mean_logprob, 5)]
    return [sample.text, sample.generation_tokens, round(sample.latency, 3), sample.finish_reason, *known]


def _samples(prompt_tokens: int, rows: list[list[Any]]) -> dict[int, Sample]:
    """Raises ValueError for figures and texts that no server gave."""
    for text, tokens, latency, reason, *logprob in rows:
        figures = (prompt_tokens, tokens, latency)
        if not (isinstance(text, str) and isinstance(reason, str) and all(is_finite(f) and f >= 0 for f in figures)):
            raise ValueError(f"a sample must be [text, tokens, seconds, finish reason], got {shortened(rows)}")
        if len(logprob) > 1 or not all(one is None or is_finite(one) for one in logprob):
            raise ValueError(f"a mean log-probability must be a number, got {shortened(logprob)}")
    # The first sample pays the prompt that all of them share.
    return {
        index: Sample(text, prompt_tokens if index == 0 else 0, tokens, latency, reason, *logprob)
        for index, (text, tokens, latency, reason, *logprob) in enumerate(rows)
    }
