"""The identity and the content of a generated sample."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import is_count

CONTENT_FILTER = "content_filter"
PROMPT_TOO_LONG = "prompt_too_long"
"""Finish reasons of samples that stand, empty, for answers that were not to be had."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message: `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How a model draws: everything here changes what it writes and so belongs to the identity."""

    temperature: float
    max_tokens: int
    top_p: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Race:
    """Several generations start side by side, the first `finishers` count and the others are cancelled.

    Raises InvalidInput unless at least one counts and more start than count.
    """

    starters: int
    finishers: int

    def __post_init__(self) -> None:
        for field, value in (("starters", self.starters), ("finishers", self.finishers)):
            if not is_count(value):
                raise InvalidInput(f"race.{field}", f"must be a whole number of 1 or more, got {shortened(value)}")
        if self.starters <= self.finishers:
            raise InvalidInput("race.starters", f"must be more than the {self.finishers} that count")


@dataclass(frozen=True)
class GenerationRequest:
    """A question to a model. Its samples are numbered from 0; the number is never sent.

    Samples are independent draws, or the finishers of a `race` in the order they finished: such a
    request has as many samples as its race has finishers, and they are drawn together or not at all.

    `key` is the SHA-256 of model, messages, sampling parameters and race in canonical JSON. The
    endpoint is not part of it: the same model behind another address gives the same samples.
    """

    model: str
    messages: tuple[Message, ...]
    sampling: SamplingParameters
    race: Race | None = None

    @cached_property
    def key(self) -> str:
        """The content address, 64 hexadecimal digits."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the store keeps them."""
        # Written out, because every draw computes a key and asdict copies deeply.
        sampling, race = self.sampling, self.race
        # Left out where there is none: samples stored before races were known keep their key.
        raced = {"race": {"starters": race.starters, "finishers": race.finishers}} if race else {}
        return {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in self.messages],
            "sampling": {
                "temperature": sampling.temperature,
                "max_tokens": sampling.max_tokens,
                "top_p": sampling.top_p,
                "stop": sampling.stop,
            },
        } | raced


@dataclass(frozen=True, slots=True)
class Sample:
    """One generated response.

    `prompt_tokens` is the share of the request's prompt that this sample paid (the whole prompt
    for the first sample of a request, 0 for those that shared it). `latency` is in seconds, of
    the request that produced it. `mean_logprob` is the mean natural log-probability of its tokens
    before temperature and the like, None where the server told none.
    """

    text: str
    prompt_tokens: int = 0
    generation_tokens: int = 0
    latency: float = 0.0
    finish_reason: str = "stop"
    mean_logprob: float | None = None


def most_drawn(draws: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The most samples of each request that one of the draws had, by the request's key."""
    most: dict[str, int] = {}
    for drawn in draws:
        for key, count in drawn.items():
            most[key] = max(count, most.get(key, 0))
    return most


class SampleSource(Protocol):
    """Anything that holds samples by content address: the SampleStore, a recorded benchmark."""

    def fetch(self, keys: Iterable[str]) -> Mapping[str, Mapping[int, Sample]]:
        """The known samples of each key by index; a key without samples may be absent."""
        ...
