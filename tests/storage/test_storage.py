from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from storage.archive import Archive
from storage.database import Database
from storage.evaluation import Evaluation
from storage.sample import GenerationRequest, Message, Sample, SamplingParameters
from storage.samples import SampleStore
from storage.schema import Base
from storage.session import SessionConfig, SessionState
from storage.transcript import Transcript
from tools.errors import InvalidInput, InvalidTransition, StorageError, UnknownSession
from tools.space import Allocation, Choice
from tools.trial import Guideline, StageScore, Trial, TrialState, Usage

POSTGRESQL = os.environ.get("AGENTTTS_TEST_POSTGRESQL", "")
CONFIG = SessionConfig("task", {"seed": 3}, "planner", {}, 0, 929.0, "flops", {}, 50, 10)
ALLOCATION = Allocation({"retrieval": Choice("large", 1), "qa": Choice("small", 15)})


@pytest.fixture(params=["file", "memory", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    urls = {"file": f"sqlite:///{tmp_path}/test.db", "memory": "sqlite://", "postgresql": POSTGRESQL}
    url = urls[request.param]
    if not url:
        pytest.skip("AGENTTTS_TEST_POSTGRESQL names no server")
    with Database.open(url) as opened:
        yield opened
        if request.param == "postgresql":
            Base.metadata.drop_all(opened.engine)
            with opened.engine.begin() as connection:
                connection.exec_driver_sql("DROP TABLE alembic_version")


def ask(text: str, model: str = "m") -> GenerationRequest:
    return GenerationRequest(model, (Message("user", text),), SamplingParameters(0.9, 10))


def trial(number: int = 0, **changes: object) -> Trial:
    return replace(Trial(number, ALLOCATION, 900.5, origin="planner", reason="why", batch=1), **changes)  # type: ignore[arg-type]


def test_the_migrated_schema_is_the_mapped_one(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_samples_round_trip_and_the_first_write_wins(database: Database) -> None:
    store = SampleStore(database)
    samples = [Sample("ä\n\x00".replace("\x00", ""), 7, 3, 0.25, "length"), Sample("", 0, 0, 0.25)]
    store.put([(ask("q"), index, sample) for index, sample in enumerate(samples)])
    store.put([(ask("q"), 0, Sample("later"))])
    assert store.fetch([ask("q").key, ask("none").key]) == {ask("q").key: dict(enumerate(samples))}
    assert store.count() == 2


def test_the_key_is_the_content_and_nothing_else() -> None:
    assert ask("q").key == ask("q").key
    others = [ask("q", "other"), ask("r"), replace(ask("q"), sampling=SamplingParameters(0.8, 10))]
    assert len({request.key for request in [ask("q"), *others]}) == 4


def test_many_keys_are_fetched_and_many_writers_agree(database: Database) -> None:
    store = SampleStore(database)
    requests = [ask(str(number)) for number in range(1200)]

    def write(worker: int) -> None:
        store.put([(request, 0, Sample(f"worker {worker}")) for request in requests])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    found = store.fetch(request.key for request in requests)
    assert len(found) == 1200 == store.count()


def test_a_session_round_trips(database: Database) -> None:
    archive = Archive(database)
    first, second = archive.create_session(CONFIG), archive.create_session(replace(CONFIG, seed=1))
    assert archive.session(first.id).config == CONFIG
    assert archive.session(first.id[:7]).id == first.id
    assert archive.session("last").id == second.id
    archive.set_state(first.id, SessionState.FAILED, "endpoint down")
    assert (archive.session(first.id).state, archive.session(first.id).problem) == ("failed", "endpoint down")
    with pytest.raises(UnknownSession, match=second.id):
        archive.session("zzz")


def test_a_trial_round_trips_through_its_states(database: Database) -> None:
    archive = Archive(database)
    session = archive.create_session(CONFIG).id
    archive.add_trials(session, [trial(0), trial(1)])
    archive.save_trial(session, trial(0, state=TrialState.RUNNING))
    done = trial(
        0,
        state=TrialState.COMPLETE,
        score=0.5,
        stage_scores={"retrieval": StageScore("F1", 0.75, (0.5, 1.0)), "qa": StageScore("EM", 0.5, (0.0, 1.0))},
        usage=Usage(20, 10, 5, 100, 50),
    )
    archive.save_trial(session, done)
    assert archive.trials(session) == [done, trial(1)]
    assert list(archive.trials(session)[0].stage_scores) == ["retrieval", "qa"]
    with pytest.raises(InvalidTransition, match="trial 0 is complete and cannot become running"):
        archive.save_trial(session, trial(0, state=TrialState.RUNNING))
    with pytest.raises(InvalidTransition, match="does not exist"):
        archive.save_trial(session, trial(7, state=TrialState.RUNNING))


def test_one_of_many_claimers_gets_a_trial(database: Database) -> None:
    archive = Archive(database)
    session = archive.create_session(CONFIG).id
    archive.add_trials(session, [trial(0)])

    def claim(_: int) -> bool:
        try:
            archive.save_trial(session, trial(0, state=TrialState.RUNNING))
        except InvalidTransition:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(claim, range(8))) == [False] * 7 + [True]


def test_guidelines_transcripts_and_evaluations_round_trip(database: Database) -> None:
    archive = Archive(database)
    session = archive.create_session(CONFIG).id
    guideline = Guideline(0, "use the small model", "planner")
    call = Transcript(0, 1, "propose", "m", ({"role": "user", "content": "?"},), "{}", 10, 5, 0.1, False, "over budget")
    judged = Evaluation("best", ALLOCATION, "held-out", 900.5, {"qa": StageScore("EM", 0.5, (0.0, 1.0))})
    archive.add_guideline(session, guideline)
    archive.add_transcripts(session, [call, replace(call, attempt=2)])
    archive.save_evaluation(session, judged)
    assert archive.guidelines(session) == [guideline]
    assert archive.transcripts(session) == [call, replace(call, attempt=2)]
    assert archive.evaluations(session) == [judged]


def test_sqlite_runs_in_wal_mode_with_full_synchronisation(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a.db") as database, database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    code = f"""
from storage.database import Database
from storage.samples import SampleStore
from tests.storage.test_storage import ask
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
    with pytest.raises(StorageError, match="not a SQLite database"):
        Database.open(text)
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
