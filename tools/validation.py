"""Checks shared by the values at the door."""

from __future__ import annotations

import math

from tools.errors import InvalidInput


def is_count(value: object) -> bool:
    """Whether the value is a whole number of 1 or more (a bool is not)."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def require_positive(field: str, value: float) -> None:
    """Raises InvalidInput unless the value is a finite number above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
        raise InvalidInput(field, f"must be a number above zero, got {value!r}")


def require_not_negative(field: str, value: float) -> None:
    """Raises InvalidInput unless the value is a finite number of zero or more."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value >= 0):
        raise InvalidInput(field, f"must be a number of zero or more, got {value!r}")
