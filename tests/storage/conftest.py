"""Databases of both kinds, for the tests of what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.postgresql import POSTGRESQL, SERVER, empty


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=SERVER)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    with Database.open(POSTGRESQL if request.param == "postgresql" else tmp_path / "stored.db") as opened:
        yield opened
        empty(opened.engine)
