from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from agenttts.testing.storages import StorageConformance, ask
from storage.database import Database
from storage.sample import Race, SamplingParameters
from storage.samples import SampleStore
from tests.postgresql import POSTGRESQL, empty, on_postgresql
from tools.errors import InvalidInput, NoDatabase, StorageError


class TestSqliteFile(StorageConformance):
    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        with Database.open(f"sqlite:///{tmp_path}/test.db") as opened:
            yield opened


class TestSqliteInMemory(StorageConformance):
    @pytest.fixture
    def database(self) -> Iterator[Database]:
        with Database.open("sqlite://") as opened:
            yield opened


@on_postgresql
class TestPostgresql(StorageConformance):
    @pytest.fixture
    def database(self) -> Iterator[Database]:
        with Database.open(POSTGRESQL) as opened:
            yield opened
            empty(opened.engine)


def test_the_key_is_the_content_and_nothing_else() -> None:
    assert ask("q").key == ask("q").key
    raced = [replace(ask("q"), race=Race(*of)) for of in ((4, 1), (4, 2), (8, 1))]
    others = [ask("q", "other"), ask("r"), replace(ask("q"), sampling=SamplingParameters(0.8, 10)), *raced]
    assert len({request.key for request in [ask("q"), *others]}) == 7
    assert json.dumps(raced[0].to_dict()) == json.dumps(asdict(raced[0])), "every field belongs to it"
    assert json.dumps(ask("q").to_dict() | {"race": None}) == json.dumps(asdict(ask("q")))
    # A changed key would orphan every stored and recorded sample.
    assert ask("q").key == "0f81aada15875c9259a88ad826dbb49ed05e4be1f2872a59a7cae071faf20953"


def test_sqlite_runs_in_wal_mode_with_full_synchronisation(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a.db") as database, database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar() == 8000
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    code = f"""
from storage.database import Database
from storage.samples import SampleStore
from agenttts.testing.storages import ask
from storage.sample import Sample
store = SampleStore(Database.open({str(tmp_path / "kill.db")!r}))
for number in range(100000):
    store.put([(ask(str(number)), 0, Sample("x"))])
    print(number, flush=True)
"""
    root = Path(__file__).parents[2]
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root)
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= 40:
            break
    writer.send_signal(signal.SIGKILL)
    acknowledged = 41 + len(writer.stdout.read().split())
    writer.wait()
    writer.stdout.close()
    with Database.open(tmp_path / "kill.db") as database:
        assert SampleStore(database).count() in {acknowledged, acknowledged + 1}


def test_unusable_databases_are_one_clear_line(tmp_path: Path) -> None:
    text = tmp_path / "notes.db"
    text.write_text("no database, just a long enough text to be read as one by nobody " * 20)
    with pytest.raises(NoDatabase, match=r"^storage: .*notes.db is not a SQLite database; name another file"):
        Database.open(text)
    with pytest.raises(NoDatabase, match=r"^storage: .* cannot be opened; check the path and its permissions"):
        Database.open(tmp_path)
    newer = tmp_path / "newer.db"
    Database.open(newer).close()
    with sqlite3.connect(newer) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StorageError, match="newer agenttts"):
        Database.open(newer)
    with pytest.raises(InvalidInput, match="does not exist"):
        Database.open(tmp_path / "missing" / "a.db")
    with pytest.raises(InvalidInput, match="storage"):
        Database.open("mysql://user:secret@host/name")
