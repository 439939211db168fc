"""Workers, their leases, the lead and claims, on SQLite and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest
import sqlalchemy as sa

from agenttts.testing.storages import CONFIG, trial
from storage.archive import Archive
from storage.claims import Claims
from storage.database import Database
from storage.machine import ProcessIdentity
from storage.schema import WorkerRow
from storage.session import SessionState
from storage.workers import Worker, Workers
from tools.errors import InvalidTransition, SessionLocked
from tools.trial import Guideline, TrialState


@pytest.fixture
def session(database: Database) -> str:
    archive = Archive(database)
    record = archive.create_session(CONFIG)
    archive.add_trials(record.id, [trial(0), trial(1)])
    return record.id


def silent(database: Database, worker: Worker, seconds: float) -> None:
    """Sets a worker's last heartbeat back."""
    with database.transaction() as rows:
        back = sa.update(WorkerRow).where(WorkerRow.id == worker.id)
        rows.execute(back.values(heartbeat=WorkerRow.heartbeat - seconds))


def test_one_worker_leads_until_it_leaves(database: Database, session: str) -> None:
    workers = Workers(database)
    one, two = workers.register(session), workers.register(session)
    assert workers.lead_is_free(session)
    assert workers.take_lead(one)
    assert workers.take_lead(one), "it keeps what it has"
    assert not workers.take_lead(two)
    assert [(w.id, w.leads) for w in workers.of(session)] == [(one.id, True), (two.id, False)]
    workers.leave(one)
    assert workers.lead_is_free(session)
    assert workers.take_lead(two)


def test_a_complete_session_is_led_by_nobody(database: Database, session: str) -> None:
    Archive(database).set_state(session, SessionState.COMPLETE)
    assert not Workers(database).take_lead(Workers(database).register(session))


def test_a_silent_worker_is_buried_and_all_it_held_is_free(database: Database, session: str) -> None:
    workers = Workers(database)
    dead, alive = workers.register(session), workers.register(session)
    assert workers.take_lead(dead)
    mine, theirs = Archive(database, dead.id), Archive(database, alive.id)
    claimed = mine.claim_trial(session)
    assert claimed is not None
    assert Claims(database, dead.id).take({"a" * 64}) == {"a" * 64}
    assert workers.bury() == []
    silent(database, dead, dead.lease - 10)
    assert workers.bury() == [], "its lease is not over"
    assert Claims(database, alive.id).take({"a" * 64}) == set()
    silent(database, dead, 20)
    assert [worker.id for worker in workers.bury()] == [dead.id]
    taken = theirs.claim_trial(session)
    assert taken is not None
    assert taken.number == claimed.number == 0
    assert Claims(database, alive.id).take({"a" * 64}) == {"a" * 64}
    assert workers.take_lead(alive)
    # It lives after all, and is too late for everything.
    workers.beat(dead)
    with pytest.raises(InvalidTransition, match="trial 0 is running"):
        mine.save_trial(session, replace(claimed, state=TrialState.COMPLETE, score=1.0))
    with pytest.raises(SessionLocked, match="another process leads it now"):
        mine.add_guideline(session, Guideline(0, "late", "planner"))
    assert Archive(database).guidelines(session) == []
    theirs.save_trial(session, replace(taken, state=TrialState.COMPLETE, score=0.5))
    assert Archive(database).trials(session)[0].score == 0.5


def test_a_process_of_this_machine_that_is_gone_is_dead_before_its_lease_ends(database: Database, session: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    workers = Workers(database)
    here = workers.register(session)
    there = replace(here, id="there", process=replace(here.process, pid=child.pid, began=_began(child.pid)))
    workers.beat(there)
    elsewhere = replace(there, id="elsewhere", process=replace(there.process, machine="another"))
    workers.beat(elsewhere)
    reused = replace(here, id="reused", process=replace(here.process, began=here.process.began - 60))
    workers.beat(reused)
    assert [worker.id for worker in workers.bury()] == ["reused"]
    child.kill()
    # Not yet waited for: what is left of it is a zombie.
    while not there.process.is_gone():
        time.sleep(0.01)
    assert [worker.id for worker in workers.bury()] == ["there"]
    child.communicate()
    assert {worker.id for worker in workers.of(session)} == {here.id, "elsewhere"}


def _began(pid: int) -> float:
    import psutil

    return float(psutil.Process(pid).create_time() - psutil.boot_time())


def test_this_process_is_not_gone() -> None:
    assert not ProcessIdentity.here().is_gone()


def test_each_trial_has_one_worker_and_one_without_a_worker_is_free(database: Database, session: str) -> None:
    workers = Workers(database)
    one, two = (Archive(database, workers.register(session).id) for _ in range(2))
    first, second = one.claim_trial(session), two.claim_trial(session)
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (0, 1)
    assert one.claim_trial(session) is None
    with pytest.raises(InvalidTransition):
        two.save_trial(session, replace(first, state=TrialState.WAITING))
    one.save_trial(session, replace(first, state=TrialState.WAITING))
    again = two.claim_trial(session)
    assert again is not None
    assert again.number == 0


def test_a_claim_is_one_workers_until_it_is_given_back(database: Database, session: str) -> None:
    workers = Workers(database)
    one, two = (Claims(database, workers.register(session).id) for _ in range(2))
    assert one.take({"a", "b"}) == {"a", "b"}
    assert two.take({"b", "c"}) == {"c"}
    assert one.take({"a", "c"}) == {"a"}, "what is ours stays ours"
    assert one.take(set(), {"b", "c"}) == set(), "only one's own are given back"
    assert two.take({"a", "b", "c"}) == {"b", "c"}
