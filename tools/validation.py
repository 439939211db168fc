"""Checks shared by the values at the door."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tools.errors import InvalidInput
from tools.text import shortened, unstorable_in

MOST_SEED = 2**32 - 1
"""The largest seed that every random generator in use takes."""
DEEPEST = 50
LONGEST_NAME = 200


def is_count(value: object) -> bool:
    """Whether the value is a whole number of 1 or more (a bool is not)."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_finite(value: object) -> bool:
    """Whether the value is a number (a bool is not) that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def is_number(value: object) -> bool:
    """Whether the value is a number that a float can hold, or an infinity; neither a bool nor "not a number" is."""
    return is_finite(value) or (isinstance(value, float) and math.isinf(value))


def require_instance(field: str, value: object, kind: type) -> None:
    """Raises InvalidInput unless the value is one of this class."""
    if not isinstance(value, kind):
        raise InvalidInput(field, f"must be a {kind.__name__}, got {shortened(value)}")


def require_instances(field: str, values: object, kind: type) -> None:
    """Raises InvalidInput unless the value is a list or tuple of members of this class."""
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise InvalidInput(field, f"must be a list of {kind.__name__}s, got {shortened(values)}")
    for place, value in enumerate(values):
        require_instance(f"{field}[{place}]", value, kind)


def require_count(field: str, value: object, most: int | None = None) -> None:
    """Raises InvalidInput unless the value is a whole number of 1 or more, and `most` at most."""
    if not is_count(value) or (most is not None and isinstance(value, int) and value > most):
        wanted = "of 1 or more" if most is None else f"from 1 to {most:,}"
        raise InvalidInput(field, f"must be a whole number {wanted}, got {shortened(value)}")


def require_seed(field: str, value: object) -> None:
    """Raises InvalidInput unless the value is a seed: a whole number from 0 to 2^32 - 1."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_SEED:
        raise InvalidInput(field, f"must be a whole number from 0 to {MOST_SEED}, got {shortened(value)}")


def require_name(field: str, value: object) -> None:
    """Raises InvalidInput unless the value is a name: a short text of characters that can be seen."""
    if not isinstance(value, str) or not value:
        raise InvalidInput(field, "must not be empty" if value == "" else f"must be a text, got {shortened(value)}")
    if len(value) > LONGEST_NAME:
        raise InvalidInput(field, f"must have {LONGEST_NAME} characters at most, has {len(value):,}")
    if not value.isprintable():
        raise InvalidInput(field, f"must hold no control or invisible characters, got {value!a}")


def require_plain(field: str, values: Mapping[str, Any]) -> None:
    """Raises InvalidInput for the first value that JSON and a database would not give back as it is."""
    for name, value in values.items():
        if problem := _not_plain(value):
            raise InvalidInput(f"{field} {name}", problem)


def require_positive(field: str, value: float, most: float = math.inf) -> None:
    """Raises InvalidInput unless the value is a finite number above zero, and `most` at most."""
    if not is_finite(value) or not 0 < value <= most:
        limit = "" if most == math.inf else f" and at most {most:g}"
        raise InvalidInput(field, f"must be a number above zero{limit}, got {shortened(value)}")


def require_not_negative(field: str, value: float) -> None:
    """Raises InvalidInput unless the value is a finite number of zero or more."""
    if not is_finite(value) or value < 0:
        raise InvalidInput(field, f"must be a number of zero or more, got {shortened(value)}")


def _not_plain(value: Any) -> str | None:
    """What of a value JSON or a database would not take; None where all is well."""
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > DEEPEST:
            return f"is nested more than {DEEPEST} levels deep"
        if isinstance(one, Mapping):
            if strange := next((name for name in one if not isinstance(name, str)), None):
                return f"must have names that are texts, got {shortened(strange)}"
            waiting += [(part, depth + 1) for pair in one.items() for part in pair]
        elif isinstance(one, list | tuple):
            waiting += [(part, depth + 1) for part in one]
        elif isinstance(one, str):
            if character := unstorable_in(one):
                return f"holds the character {character}, which cannot be stored"
        elif not (one is None or isinstance(one, bool) or is_finite(one)):
            return (
                f"must be text, a finite number, true, false, null, or lists and objects of them; got {shortened(one)}"
            )
    return None
