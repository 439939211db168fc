"""The PostgreSQL server of the tests, where scripts/with_postgresql.py runs them."""

from __future__ import annotations

import os
from typing import TypeVar

import pytest
import sqlalchemy as sa

T = TypeVar("T")

POSTGRESQL = os.environ.get("AGENTTTS_TEST_POSTGRESQL", "")
SERVER = [
    pytest.mark.postgresql,
    pytest.mark.skipif(not POSTGRESQL, reason="AGENTTTS_TEST_POSTGRESQL names no server"),
]
"""The marks of a parameter that stands for the server."""


def on_postgresql(test: T) -> T:
    """Marks a test, or a class of them, that needs the server."""
    for mark in SERVER:
        test = mark(test)
    return test


def empty(engine: sa.Engine) -> None:
    """Drops every table."""
    tables = sa.MetaData()
    tables.reflect(engine)
    tables.drop_all(engine)
