"""Deadlines as people write them: a moment, or how long from now."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from tools.errors import InvalidInput
from tools.text import shortened

PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])")
SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
LONGEST = timedelta(days=3650)


def read_deadline(text: str, now: datetime, field: str = "--deadline") -> datetime:
    """The moment in a text such as 2h, 1h30m or 2026-05-06T18:00+02:00.

    Raises InvalidInput for anything else, for a moment without its time zone, and for one that has passed.
    """
    if re.fullmatch(f"(?:{PART.pattern})+", text):
        seconds = sum(float(number) * SECONDS[unit] for number, unit in PART.findall(text))
        if not 0 < seconds <= LONGEST.total_seconds():
            raise InvalidInput(field, f"must be above 0s and at most {LONGEST.days}d, got {shortened(text)}")
        return now + timedelta(seconds=seconds)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            field, f"must be a duration such as 2h or a moment such as 2026-05-06T18:00+02:00, got {shortened(text)}"
        ) from None
    if moment.tzinfo is None:
        raise InvalidInput(field, f"{text} lacks its time zone, such as +02:00 or Z")
    if moment <= now:
        raise InvalidInput(field, f"{text} has passed")
    return moment
