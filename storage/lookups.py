"""Rows looked up by their keys, many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Row, Select, String, any_, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.parts import in_parts


def rows_of(
    session: Session, query: Select[*tuple[Any, ...]], key: InstrumentedAttribute[str], keys: Iterable[str]
) -> Iterator[Row[*tuple[Any, ...]]]:
    """The rows of a query whose `key`, a column that an index begins with, is one of these."""
    on_server = session.get_bind().dialect.name == "postgresql"
    if on_server:
        # A table that has grown a lot since its statistics were taken would be read as a whole: they say
        # that each key has many times the rows that it has. For this transaction alone.
        session.execute(select(func.set_config("enable_seqscan", "off", True), func.set_config("jit", "off", True)))
    for chunk in in_parts(keys):
        among: ColumnElement[bool]
        # On a server one statement for any number of keys, which it then plans once.
        among = key == any_(literal(chunk, ARRAY(String))) if on_server else key.in_(chunk)
        yield from session.execute(query.where(among))
