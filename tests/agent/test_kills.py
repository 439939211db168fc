"""kill -9 at any instant: nothing stored is lost or paid again, no trial runs twice, and the result is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from storage.database import parse_url
from tests.agent.killed_sessions import killed_session, undisturbed
from tests.postgresql import POSTGRESQL, on_postgresql

Storage = Callable[[int], str]
"""The URL of an empty database for a seed's session."""


@pytest.fixture
def on_file(tmp_path: Path) -> Storage:
    return lambda seed: f"sqlite:///{tmp_path / f'{seed}.db'}"


@pytest.fixture
def on_server() -> Iterator[Storage]:
    """Databases of the PostgreSQL server, dropped afterwards."""
    engine = sa.create_engine(parse_url(POSTGRESQL), isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def create(seed: int) -> str:
        made.append(f"kills_{seed}")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {made[-1]}")
        return parse_url(POSTGRESQL).set(database=made[-1]).render_as_string(hide_password=False)

    yield create
    with engine.connect() as connection:
        for name in made:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


def killed(storage: Storage, seed: int, kills: int, workers: int = 1) -> int:
    """How often the processes of a seed's session were really killed: it may come to its end before."""
    with killed_session(storage(seed), seed, kills, workers) as killer:
        killer.check(undisturbed(seed))
        return len(killer.kills)


def kill_often(storage: Storage, seeds: Iterable[int], kills: int, workers: int = 1) -> None:
    """One session after the other, until there were enough kills."""
    for seed in seeds:
        kills -= killed(storage, seed, min(kills, 25), workers)
        if not kills:
            return


def test_a_few_kills(on_file: Storage) -> None:
    assert killed(on_file, 7, 2) == 2


@pytest.mark.slow
def test_fifty_kills(on_file: Storage) -> None:
    kill_often(on_file, count(1), 50)


@pytest.mark.slow
def test_three_processes_on_one_file(on_file: Storage) -> None:
    kill_often(on_file, count(11), 15, workers=3)


@on_postgresql
def test_kills_on_postgresql(on_server: Storage) -> None:
    kill_often(on_server, count(21), 20)


@on_postgresql
def test_fifty_kills_of_eight_processes_on_postgresql(on_server: Storage) -> None:
    kill_often(on_server, count(31), 50, workers=8)
