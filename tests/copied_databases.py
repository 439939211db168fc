"""New SQLite files are copies of one that was migrated, where a test is about something else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine

from storage import database


@pytest.fixture(scope="package", autouse=True)
def copied_databases() -> Iterator[None]:
    """Migrating takes ten times as long as copying, and most tests begin with a new database or two.

    What is there already is opened as ever, and so is whatever processes of the tests open.
    """
    migrate = database._migrate

    @cache
    def migrated() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "new.db"
            engine = database.engine_for(database.parse_url(path))
            migrate(engine)
            engine.dispose()
            return path.read_bytes()

    def copied(engine: Engine) -> None:
        path = database.sqlite_path(engine.url)
        if path is not None and not path.exists():
            with suppress(OSError), tempfile.TemporaryDirectory(dir=path.parent) as folder:
                copy = Path(folder) / path.name
                copy.write_bytes(migrated())
                os.link(copy, path)  # at once and whole, or not at all where another was first
        migrate(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_migrate", copied)
        yield
