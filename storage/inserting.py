"""Inserts that may meet rows which are there already."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.parts import in_parts
from storage.schema import Base

ROWS_PER_INSERT = 1000


def insert(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An insert that can say what happens on a conflict, as the session's database writes it."""
    return _insert_into(table.__table__, session.get_bind().dialect.name)


def insert_new(session: Session, table: type[Base], rows: Sequence[dict[str, Any]]) -> int:
    """Inserts rows, but for those whose key is there already. Tells how many that were."""
    statement = _new_into(table.__table__, session.get_bind().dialect.name)
    # Below the mapped classes: they take twice the time of the insert itself.
    connection = session.connection()
    return sum(connection.execute(statement, part).rowcount for part in in_parts(rows, ROWS_PER_INSERT))


def _insert_into(table: Any, dialect: str) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@cache
def _new_into(table: Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    # The driver's cursor is closed before its count is asked for, and psycopg's tells none then.
    return _insert_into(table, dialect).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
