"""Databases of both kinds, for the tests of what is stored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.schema import Base

POSTGRESQL = os.environ.get("AGENTTTS_TEST_POSTGRESQL", "")
SERVER = [
    pytest.mark.postgresql,
    pytest.mark.skipif(not POSTGRESQL, reason="AGENTTTS_TEST_POSTGRESQL names no server"),
]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=SERVER)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    with Database.open(POSTGRESQL if request.param == "postgresql" else tmp_path / "stored.db") as opened:
        yield opened
        if request.param == "postgresql":
            Base.metadata.drop_all(opened.engine)
            with opened.engine.begin() as connection:
                connection.exec_driver_sql("DROP TABLE alembic_version")
