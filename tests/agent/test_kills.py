"""kill -9 at any instant: nothing stored is lost or paid again, no trial runs twice, and the result is the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from storage.database import parse_url
from tests.agent.killed_sessions import killed_session, undisturbed

POSTGRESQL = os.environ.get("AGENTTTS_TEST_POSTGRESQL", "")
on_a_server = [
    pytest.mark.postgresql,
    pytest.mark.skipif(not POSTGRESQL, reason="AGENTTTS_TEST_POSTGRESQL names no server"),
]


@pytest.fixture
def server_database() -> Iterator[str]:
    """An empty database of the PostgreSQL server."""
    engine = sa.create_engine(parse_url(POSTGRESQL), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE kills")
    yield parse_url(POSTGRESQL).set(database="kills").render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE kills WITH (FORCE)")
    engine.dispose()


def check(storage: str, seed: int, kills: int, workers: int = 1) -> None:
    with killed_session(storage, seed, kills, workers) as killer:
        killer.check(undisturbed(seed))
        assert killer.kills


def test_a_few_kills(tmp_path: Path) -> None:
    check(f"sqlite:///{tmp_path / 'kills.db'}", 7, kills=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_fifty_kills(tmp_path: Path, seed: int) -> None:
    check(f"sqlite:///{tmp_path / 'kills.db'}", seed, kills=15)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
def test_three_processes_on_one_file(tmp_path: Path, seed: int) -> None:
    check(f"sqlite:///{tmp_path / 'kills.db'}", seed, kills=8, workers=3)


@pytest.mark.parametrize("seed", [pytest.param(21, marks=on_a_server)])
def test_kills_on_postgresql(server_database: str, seed: int) -> None:
    check(server_database, seed, kills=15)


@pytest.mark.parametrize("seed", [pytest.param(31, marks=on_a_server)])
def test_eight_processes_on_postgresql(server_database: str, seed: int) -> None:
    check(server_database, seed, kills=20, workers=8)
