"""What went wrong at an endpoint, as a session remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tools.space import Model
from tools.spending import Spent


class FaultKind(StrEnum):
    """The kinds of faults that reports tell apart."""

    RATE_LIMITED = "rate limited"
    SERVER_ERROR = "server error"
    CONNECTION = "connection failed"
    TIMEOUT = "no answer in time"
    UNREADABLE = "unreadable answer"
    NO_CHOICES = "answer without choices"
    SHORT = "fewer choices than asked"
    FILTERED = "content filter"
    TOO_LONG = "prompt too long"
    REFUSED = "refused for good"
    LOST = "answer lost"
    HELD_BACK = "held back"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one request.

    `retried` says that the request was sent again, after `waited` seconds. HELD_BACK is a request that
    waited `waited` seconds for the endpoint's limits. LOST comes beside the fault that made it so: an
    answer may have been billed that never came in whole, and the `lost` figures are the most it can be.
    Of a content filter they are the text that it removed.
    """

    endpoint: str
    model: str
    kind: FaultKind
    retried: bool = False
    waited: float = 0.0
    lost_generations: int = 0
    lost_prompt_tokens: int = 0
    lost_generation_tokens: int = 0


@dataclass(frozen=True, slots=True)
class FaultSum:
    """All faults of one kind at one endpoint with one model, summed; `waited` is in seconds."""

    endpoint: str
    model: str
    kind: FaultKind
    count: int
    retried: int
    waited: float
    lost_generations: int
    lost_prompt_tokens: int
    lost_generation_tokens: int
    lost_picodollars: int

    @property
    def lost(self) -> Spent:
        """The most that may have been billed without coming in."""
        tokens = self.lost_prompt_tokens + self.lost_generation_tokens
        return Spent(self.lost_generations, tokens, self.lost_picodollars)

    @classmethod
    def of(cls, faults: Sequence[Fault], model: Model | None = None) -> FaultSum:
        """The sum of one fault or more that share endpoint, model and kind; `model` tells the prices."""
        first = faults[0]
        lost = (
            Spent.of(model, fault.lost_generations, fault.lost_prompt_tokens, fault.lost_generation_tokens)
            for fault in faults
        )
        return cls(
            first.endpoint,
            first.model,
            first.kind,
            len(faults),
            sum(fault.retried for fault in faults),
            sum(fault.waited for fault in faults),
            sum(fault.lost_generations for fault in faults),
            sum(fault.lost_prompt_tokens for fault in faults),
            sum(fault.lost_generation_tokens for fault in faults),
            sum(one.picodollars for one in lost),
        )
