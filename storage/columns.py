"""Columns that hold what their type says: SQLite itself lets any value into any column."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Dialect, Double, Integer
from sqlalchemy.types import TypeDecorator

from tools.text import shortened


class UnwrittenValue(ValueError):
    """A stored value of another type, which no version of this program wrote."""


class Whole(TypeDecorator[int]):
    """A whole number."""

    impl = Integer
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        """The value. Raises UnwrittenValue."""
        if value is not None and type(value) is not int:
            raise UnwrittenValue(f"it holds {shortened(value)} where a whole number belongs")
        return value


class LargeWhole(Whole):
    """A whole number beyond 32 bits."""

    impl = BigInteger
    cache_ok = True


class Real(TypeDecorator[float]):
    """A number."""

    impl = Double
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> float | None:
        """The value. Raises UnwrittenValue."""
        if value is not None and type(value) is not float and type(value) is not int:
            raise UnwrittenValue(f"it holds {shortened(value)} where a number belongs")
        return value
