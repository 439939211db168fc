"""The strategies and temperatures that a subtask lists beside its models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from tools.errors import InvalidAllocation, InvalidInput
from tools.text import shortened

T = TypeVar("T")


def listed_strategies(field: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names, once checked; whether each is registered is the task's to check. Raises InvalidInput."""
    if not _is_list(names) or not all(isinstance(name, str) and name for name in names):
        raise InvalidInput(field, f"must be a list of names, got {shortened(names)}")
    return _distinct(field, names)


def listed_temperatures(field: str, values: Sequence[float]) -> tuple[float, ...]:
    """The temperatures as floats, once checked. Raises InvalidInput."""
    if not _is_list(values) or not all(_is_temperature(value) for value in values):
        raise InvalidInput(field, f"must be a list of numbers of zero or more, got {shortened(values)}")
    # Adding zero turns -0.0 into 0.0: temperatures are part of the samples' addresses.
    return _distinct(field, [float(value) + 0.0 for value in values])


def listed(field: str, value: object, candidates: Sequence[T]) -> T | None:
    """The candidate that a value equals; None for None where nothing is listed. Raises InvalidAllocation."""
    if not candidates:
        if value is None:
            return None
        raise InvalidAllocation(field, f"is not searched here, the task decides; leave it out, got {shortened(value)}")
    if value is None:
        raise InvalidAllocation(field, f"is missing; use one of: {', '.join(map(str, candidates))}")
    for candidate in candidates:
        if candidate == value and not isinstance(value, bool):
            return candidate
    raise InvalidAllocation(field, f"{value!r} is not a candidate; use one of: {', '.join(map(str, candidates))}")


def _is_list(values: object) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str)


def _is_temperature(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _distinct(field: str, values: Sequence[T]) -> tuple[T, ...]:
    if len(set(values)) != len(values):
        raise InvalidInput(field, f"lists one twice: {', '.join(map(str, values))}")
    return tuple(values)
