"""Databases that earlier versions wrote are opened with everything they hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from agenttts.testing.storages import CONFIG, ask, trial
from storage.archive import Archive
from storage.database import MIGRATIONS, Database, parse_url
from storage.sample import Sample
from storage.samples import SampleStore
from storage.schema import Base
from storage.workers import Workers
from tests.postgresql import POSTGRESQL, SERVER, empty
from tools.trial import StageScore

TIME = "2026-01-02 03:04:05.000000+00:00"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=SERVER)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty database."""
    opened = sa.create_engine(parse_url(POSTGRESQL if request.param == "postgresql" else tmp_path / "old.db"))
    empty(opened)  # other tests may have used the server before
    yield opened
    empty(opened)
    opened.dispose()


def migrate(engine: sa.Engine, revision: str, *, back: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if back else command.upgrade)(config, revision)


def insert(engine: sa.Engine, table: str, **values: object) -> None:
    columns = ", ".join(values)
    statement = f"INSERT INTO {table} ({columns}) VALUES ({', '.join(f':{name}' for name in values)})"  # noqa: S608
    with engine.begin() as connection:
        connection.execute(sa.text(statement), values)


def fill_first_schema(engine: sa.Engine) -> None:
    """A database of the first schema with a session, a trial and two samples, written without our code."""
    migrate(engine, "0001")
    times = {"created": TIME, "updated": TIME}
    insert(engine, "sessions", id="a" * 32, config=json.dumps(asdict(CONFIG)), state="running", problem="", **times)
    waiting = trial()
    insert(
        engine,
        "trials",
        id=1,
        session_id="a" * 32,
        number=0,
        batch=1,
        state="waiting",
        allocation=json.dumps(waiting.allocation.to_dict()),
        cost=900.5,
        origin="planner",
        reason="why",
        error="",
        usage=json.dumps({}),
        **times,
    )
    insert(engine, "requests", key=ask("q").key, body=json.dumps(ask("q").to_dict()))
    for number in (0, 1):
        insert(
            engine,
            "samples",
            key=ask("q").key,
            number=number,
            text=f"answer {number}",
            prompt_tokens=7 - 7 * number,
            generation_tokens=3,
            latency=0.25,
            finish_reason="stop",
            created=TIME,
        )


OLD_SAMPLES = {0: Sample("answer 0", 7, 3, 0.25), 1: Sample("answer 1", 0, 3, 0.25)}


def test_the_first_schema_is_brought_up_to_date_with_its_rows(engine: sa.Engine) -> None:
    fill_first_schema(engine)
    with Database.open(engine.url.render_as_string(hide_password=False)) as database:
        store, archive = SampleStore(database), Archive(database)
        assert store.fetch([ask("q").key]) == {ask("q").key: OLD_SAMPLES}
        assert archive.session("aaa").config == CONFIG
        assert [one.allocation for one in archive.trials("a" * 32)] == [trial().allocation]
        store.put([(ask("q"), 2, Sample("new", mean_logprob=-0.25)), (ask("q"), 0, Sample("later"))])
        assert store.fetch([ask("q").key])[ask("q").key] == OLD_SAMPLES | {2: Sample("new", mean_logprob=-0.25)}


RELEASED = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][:0:-1]
"""Every schema but the newest, the first one first."""


@pytest.mark.parametrize("revision", RELEASED)
def test_every_schema_is_brought_up_to_date_with_its_rows(engine: sa.Engine, revision: str) -> None:
    fill_first_schema(engine)
    scores = {"trial_id": 1, "subtask": "qa", "position": 0, "metric": "EM", "mean": 0.5, "per_example": "[0.0, 1.0]"}
    insert(engine, "stage_scores", **scores)
    migrate(engine, revision)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE trials SET state = 'running'"))
    with Database.open(engine.url.render_as_string(hide_password=False)) as database:
        store, archive, workers = SampleStore(database), Archive(database), Workers(database)
        assert store.fetch([ask("q").key]) == {ask("q").key: OLD_SAMPLES}
        assert archive.trials("a" * 32)[0].stage_scores == {"qa": StageScore("EM", 0.5, (0.0, 1.0))}
        # What an older version's process left running is free, and so is the lead.
        worker = workers.register("a" * 32)
        assert workers.take_lead(worker)
        claimed = Archive(database, worker.id).claim_trial("a" * 32)
        assert claimed is not None
        assert claimed.number == 0
        with database.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_migration_can_be_taken_back(engine: sa.Engine) -> None:
    fill_first_schema(engine)
    migrate(engine, "head")
    migrate(engine, "0001", back=True)
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "0001"
        assert connection.execute(sa.text("SELECT count(*) FROM samples")).scalar() == 2
        assert connection.execute(sa.text("SELECT count(*) FROM trials")).scalar() == 1
        columns = {column["name"] for column in sa.inspect(connection).get_columns("samples")}
    assert "mean_logprob" not in columns
