"""Hard caps on what a session spends: reserved before a request is sent, charged when its answer is in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.errors import InvalidInput
from tools.space import Model
from tools.validation import require_count, require_positive

PER_DOLLAR = 10**12
TOKENS_PER_PRICE = 10**6
MOST_DOLLARS, MOST_COUNT = 10**6, 10**15
"""The largest caps: their sums fit a database's integers."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Generations, tokens of prompts and answers, and money in units of 1e-12 dollars, so that sums are exact."""

    generations: int = 0
    tokens: int = 0
    picodollars: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.generations + other.generations, self.tokens + other.tokens, self.picodollars + other.picodollars
        )

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            self.generations - other.generations, self.tokens - other.tokens, self.picodollars - other.picodollars
        )

    @property
    def dollars(self) -> float:
        """The money in dollars."""
        return self.picodollars / PER_DOLLAR

    def __str__(self) -> str:
        money = f", ${self.dollars:,.4f}" if self.picodollars else ""
        return f"{self.generations:,} generations, {self.tokens:,} tokens{money}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for machines."""
        return {"generations": self.generations, "tokens": self.tokens, "dollars": self.dollars}

    @classmethod
    def of(cls, model: Model | None, generations: int, prompt_tokens: int, generation_tokens: int) -> Spent:
        """What generations of a model come to; a model without prices costs nothing."""
        tokens = prompt_tokens + generation_tokens
        if model is None or not is_priced(model):
            return cls(generations, tokens)
        price = prompt_tokens * (model.prompt_price or 0.0) + generation_tokens * (model.generation_price or 0.0)
        return cls(generations, tokens, math.ceil(price * PER_DOLLAR / TOKENS_PER_PRICE))


def is_priced(model: Model) -> bool:
    """Whether both of a model's prices are known."""
    return model.prompt_price is not None and model.generation_price is not None


@dataclass(frozen=True, slots=True)
class SpendingCaps:
    """The most that a session may spend over all its runs, and until when; None is no cap.

    Raises InvalidInput naming the cap that is no number above 0.
    """

    max_generations: int | None = None
    max_tokens: int | None = None
    max_dollars: float | None = None
    deadline: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("max_generations", "max_tokens"):
            value = getattr(self, name)
            if value is not None:
                require_count(name, value, MOST_COUNT)
        if self.max_dollars is not None:
            require_positive("max_dollars", self.max_dollars, MOST_DOLLARS)
        if self.deadline is not None and self.deadline.tzinfo is None:
            raise InvalidInput("deadline", "must be a moment with its time zone")

    def to_dict(self) -> dict[str, Any]:
        """Plain values of the caps that are set."""
        values = {name: getattr(self, name) for name in ("max_generations", "max_tokens", "max_dollars")}
        values["deadline"] = self.deadline and self.deadline.isoformat()
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SpendingCaps:
        """The caps of `to_dict`."""
        deadline = values.get("deadline")
        return cls(**{**values, "deadline": deadline and datetime.fromisoformat(deadline)})

    @property
    def limit_amounts(self) -> bool:
        """Whether anything but time is limited."""
        return (self.max_generations, self.max_tokens, self.max_dollars) != (None, None, None)

    def changed_by(self, given: SpendingCaps) -> SpendingCaps:
        """These with every cap that is `given` in place of the one of its name."""
        return SpendingCaps.from_dict(self.to_dict() | given.to_dict())

    def exceeded_by(self, total: Spent) -> str:
        """The cap that so much would exceed, as the command line writes it; "" where it fits all."""
        return next((text for text, limit, used in self._limits(total) if used > limit), "")

    def _limits(self, total: Spent) -> Iterator[tuple[str, int, int]]:
        if self.max_generations is not None:
            yield f"--max-generations {self.max_generations}", self.max_generations, total.generations
        if self.max_tokens is not None:
            yield f"--max-tokens {self.max_tokens}", self.max_tokens, total.tokens
        if self.max_dollars is not None:
            limit = math.floor(self.max_dollars * PER_DOLLAR)
            yield f"--max-dollars {self.max_dollars:g}", limit, total.picodollars


@dataclass(frozen=True, slots=True)
class Granted:
    """The numbers of the reservations that were made, in the order of the wishes, and what stands beside them.

    Fewer numbers than wishes: the next wish has no room beside what is spent and reserved. `reserved`
    is what all who spend hold back, the new reservations included.
    """

    numbers: Sequence[int]
    spent: Spent
    reserved: Spent


class SpendingLedger:
    """What is spent and what is reserved. The two together never exceed a cap by a reservation.

    A charge may exceed it: an answer is counted as it came, even where it was more than reserved.
    """

    waits = False

    def __init__(self, caps: SpendingCaps = SpendingCaps(), spent: Spent = Spent()) -> None:
        self.caps = caps
        self.spent = spent
        self.reserved = Spent()
        self._held: dict[int, Spent] = {}
        self._last = 0

    def reserve(self, wishes: Sequence[Spent]) -> Granted:
        """Reserves the most that requests may come to, in their order, up to the first that does not fit now."""
        numbers = []
        for most in wishes:
            if self.caps.exceeded_by(self.spent + self.reserved + most):
                break
            self._last += 1
            self._held[self._last] = most
            self.reserved += most
            numbers.append(self._last)
        return Granted(numbers, self.spent, self.reserved)

    def charge(self, actual: Spent) -> None:
        """Counts what an answer came to, beside its reservation, which is still to be released."""
        self.spent += actual

    def release(self, number: int) -> None:
        """Ends a reservation; a second time does nothing."""
        self.reserved -= self._held.pop(number, Spent())

    def flush(self) -> None:
        """Nothing waits to be written."""
