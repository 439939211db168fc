"""When an endpoint takes the next request, by what its answers' headers say."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from environment.backends.clock import Clock, seconds_until

UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "ns": 1e-9}
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|ns|d|h|m|s)")
EPOCH = 1e9
"""A number from here on is a moment in seconds since 1970 and no duration."""


@dataclass(slots=True)
class Allowance:
    """What is left of one limit (requests or tokens) until it is reset at a moment of the clock."""

    left: float
    resets: float


class RateLimits:
    """Follows Retry-After and `x-ratelimit-remaining-*` with `x-ratelimit-reset-*`, of requests and of tokens."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._closed_until = -math.inf
        self._allowances: dict[str, Allowance] = {}

    def pause(self, seconds: float) -> None:
        """Nothing is to be sent for so long."""
        self._closed_until = max(self._closed_until, self._clock.now() + seconds)

    def observe(self, headers: Mapping[str, str]) -> None:
        """Takes over what an answer's headers say; what they leave out stays as it was."""
        for name in ("requests", "tokens"):
            left = _number(headers.get(f"x-ratelimit-remaining-{name}"))
            wait = reset_seconds(headers.get(f"x-ratelimit-reset-{name}"))
            if left is not None and wait is not None:
                self._allowances[name] = Allowance(left, self._clock.now() + wait)

    def sent(self, tokens: float) -> None:
        """Counts a request that has just been sent, until an answer's headers know of it."""
        for name, used in (("requests", 1.0), ("tokens", tokens)):
            if name in self._allowances:
                self._allowances[name].left -= used

    def delay(self, tokens: float) -> float:
        """Seconds to wait before a request that may use so many tokens; 0 where it may go."""
        now = self._clock.now()
        self._allowances = {name: known for name, known in self._allowances.items() if known.resets > now}
        waits = [self._closed_until - now]
        for name, wanted in (("requests", 1.0), ("tokens", tokens)):
            known = self._allowances.get(name)
            if known is not None and known.left < wanted:
                waits.append(known.resets - now)
        return max(0.0, *waits)


def reset_seconds(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds until a limit is reset; None if unusable.

    Servers write "1s", "6m0s", "250ms", "12.5", or the moment, as ISO 8601 or in seconds since 1970.
    """
    if value is None:
        return None
    text = value.strip()
    now = now or datetime.now(UTC)
    number = _number(text)
    if number is not None:
        return max(0.0, number - now.timestamp()) if number >= EPOCH else number
    parts = PART.findall(text)
    if parts and "".join(amount + unit for amount, unit in parts) == text:
        return sum(float(amount) * UNITS[unit] for amount, unit in parts)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return seconds_until(moment, now)


def _number(text: str | None) -> float | None:
    """A plain number of at most 12 digits, not below 0."""
    return float(text) if text is not None and re.fullmatch(r"\s*\d{1,12}(\.\d{1,9})?\s*", text) else None
