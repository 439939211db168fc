from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import text

from agenttts.testing.storages import ask
from storage.database import Database
from storage.sample import Sample
from storage.samples import SampleStore
from tests.postgresql import on_postgresql

SCANS = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'samples'"


def put(store: SampleStore, numbers: Sequence[int]) -> None:
    store.put([(ask(str(number)), index, Sample("text")) for number in numbers for index in range(10)])


@on_postgresql
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("known", [0, 1, 100])
def test_a_table_that_outgrew_its_statistics_is_not_read_as_a_whole(database: Database, known: int) -> None:
    store = SampleStore(database)
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE samples SET (autovacuum_enabled = false)"))
    put(store, range(known))
    with database.engine.begin() as connection:
        connection.execute(text("ANALYZE samples"))
    put(store, range(known, 2000))
    for count in (50, 500):
        keys = [ask(str(number)).key for number in range(count)]
        with database.joined() as joined, joined.transaction() as session:
            assert sum(map(len, SampleStore(joined).fetch(keys).values())) == 10 * count
            assert session.scalar(text(SCANS)) == 0
