"""Workers: the processes that run a session, each with a heartbeat, and which of them leads it.

What a worker holds (the lead of a session, a running trial, a claim) is free as soon as the worker's
row is gone: its own leaving and its burial by others are one deletion.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Double, Select, delete, exists, func, literal_column, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.database import Database
from storage.machine import ProcessIdentity
from storage.schema import ClaimRow, SessionRow, TrialRow, WorkerRow, now
from storage.session import SessionState
from tools.trial import TrialState

LEASE_SECONDS = 30.0
"""How long a worker may be silent before others take over what it holds."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process at work on a session. `silent` are the seconds since its last heartbeat, `lease` how many it may be.

    `trial` is the number of the trial that it runs, None between trials.
    """

    id: str
    session_id: str
    process: ProcessIdentity
    started: datetime
    silent: float
    lease: float
    leads: bool = False
    trial: int | None = None

    @property
    def is_dead(self) -> bool:
        """Whether others may take over: its lease is over, or it ran here and is gone."""
        return self.silent > self.lease or self.process.is_gone()


class Workers:
    """Registers workers and buries the dead; every call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, session_id: str, lease: float = LEASE_SECONDS) -> Worker:
        """A new worker of a session: this process."""
        worker = Worker(secrets.token_hex(8), session_id, ProcessIdentity.here(), now(), 0.0, lease)
        self.beat(worker)
        return worker

    def beat(self, worker: Worker) -> None:
        """Renews a worker's lease. One that was buried in error is registered again; what it held may be lost."""
        with self._database.transaction() as session:
            clock = database_clock(session)
            renewal = update(WorkerRow).where(WorkerRow.id == worker.id).values(heartbeat=clock)
            if session.scalar(renewal.returning(WorkerRow.id)) is None:
                process = worker.process
                session.add(
                    WorkerRow(
                        id=worker.id,
                        session_id=worker.session_id,
                        host=process.host,
                        machine=process.machine,
                        pid=process.pid,
                        began=process.began,
                        started=worker.started,
                        heartbeat=session.scalar(select(clock)) or 0.0,
                        lease=worker.lease,
                    )
                )

    def leave(self, worker: Worker) -> None:
        """Gives back all that a worker holds."""
        with self._database.transaction() as session:
            # A stop may have come between the claim of a trial and its run.
            session.execute(
                update(TrialRow)
                .where(TrialRow.worker == worker.id, TrialRow.state == str(TrialState.RUNNING))
                .values(state=str(TrialState.WAITING), worker=None)
            )
            _remove(session, [worker.id])

    def bury(self) -> list[Worker]:
        """Gives back all that dead workers held, whatever session they belonged to; returns them."""
        with self._database.reading() as session:
            dead = [worker for worker in _workers(session, select(WorkerRow)) if worker.is_dead]
        if not dead:
            return []
        with self._database.transaction() as session:
            # One that beats meanwhile is alive after all.
            ids = [worker.id for worker in dead]
            again = _workers(session, select(WorkerRow).where(WorkerRow.id.in_(ids)).with_for_update(skip_locked=True))
            buried = [worker for worker in again if worker.is_dead]
            _remove(session, [worker.id for worker in buried])
        return buried

    def of(self, session_id: str) -> list[Worker]:
        """Who is at work on a session, the first to come first; the dead are left out."""
        query = select(WorkerRow).where(WorkerRow.session_id == session_id).order_by(WorkerRow.started)
        with self._database.reading() as session:
            return [worker for worker in _workers(session, query) if not worker.is_dead]

    def number(self) -> int:
        """How many are registered in the database, the dead included."""
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(WorkerRow)) or 0

    def counts(self) -> Mapping[str, int]:
        """How many are at work on each session; one that nobody is at work on is absent."""
        with self._database.reading() as session:
            return Counter(worker.session_id for worker in _workers(session, select(WorkerRow)) if not worker.is_dead)

    def take_lead(self, worker: Worker) -> bool:
        """Makes a worker its session's leader, and the session a running one, where nobody leads it and it is not over.

        The worker that leads already keeps the lead.
        """
        row = SessionRow
        with self._database.transaction() as session:
            # Locked first: the update then sees every worker that took the lead before it.
            session.execute(select(row.id).where(row.id == worker.session_id).with_for_update())
            taken = session.execute(
                update(row)
                .where(row.id == worker.session_id, row.state != str(SessionState.COMPLETE))
                .where(or_(row.leader == worker.id, without_worker(row.leader)))
                .where(or_(row.state != str(SessionState.STOPPING), _alone(worker)))
                .values(leader=worker.id, state=str(SessionState.RUNNING), problem="")
                .returning(row.id)
            ).first()
        return taken is not None

    def ask_to_stop(self, session_id: str) -> None:
        """Has all who work at a running session leave it, as Ctrl-C would; then it is interrupted."""
        self.bury()
        with self._database.transaction() as session:
            session.execute(
                update(SessionRow)
                .where(SessionRow.id == session_id, SessionRow.state == str(SessionState.RUNNING))
                .values(state=str(SessionState.STOPPING))
            )
            _end_stopped(session)

    def is_stopping(self, session_id: str) -> bool:
        """Whether those who work at a session are asked to leave."""
        query = select(SessionRow.id).where(SessionRow.id == session_id, SessionRow.state == str(SessionState.STOPPING))
        with self._database.reading() as session:
            return session.scalar(query) is not None

    def lead_is_free(self, session_id: str) -> bool:
        """Whether a session has no leader."""
        query = select(SessionRow.id).where(SessionRow.id == session_id, without_worker(SessionRow.leader))
        with self._database.reading() as session:
            return session.scalar(query) is not None


def without_worker(holder: InstrumentedAttribute[str] | InstrumentedAttribute[str | None]) -> ColumnElement[bool]:
    """That nobody holds a row: `holder` names no worker that is registered."""
    return or_(holder.is_(None), ~exists().where(WorkerRow.id == holder))


def database_clock(session: Session) -> ColumnElement[float]:
    """Seconds since 1970 by the database's own clock, which all workers share."""
    if session.get_bind().dialect.name == "postgresql":
        return func.extract("epoch", func.clock_timestamp()).cast(Double)
    return (func.julianday("now") - literal_column("2440587.5")) * literal_column("86400.0")


def _workers(session: Session, query: Select[WorkerRow]) -> list[Worker]:
    time = session.scalar(select(database_clock(session))) or 0.0
    rows = list(session.scalars(query))
    if not rows:
        return []
    ids = [row.id for row in rows]
    leading = set(session.scalars(select(SessionRow.leader).where(SessionRow.leader.in_(ids))))
    running = select(TrialRow.worker, TrialRow.number).where(
        TrialRow.worker.in_(ids), TrialRow.state == str(TrialState.RUNNING)
    )
    trials: dict[str | None, int] = {row.worker: row.number for row in session.execute(running)}
    return [
        Worker(
            row.id,
            row.session_id,
            ProcessIdentity(row.host, row.machine, row.pid, row.began),
            row.started,
            max(0.0, time - row.heartbeat),
            row.lease,
            row.id in leading,
            trials.get(row.id),
        )
        for row in rows
    ]


def _remove(session: Session, ids: Sequence[str]) -> None:
    session.execute(delete(WorkerRow).where(WorkerRow.id.in_(ids)))
    session.execute(delete(ClaimRow).where(without_worker(ClaimRow.worker)))
    _end_stopped(session)


def _end_stopped(session: Session) -> None:
    """Notes of stopping sessions that nobody works at any more that they were interrupted."""
    left = ~exists().where(WorkerRow.session_id == SessionRow.id)
    session.execute(
        update(SessionRow)
        .where(SessionRow.state == str(SessionState.STOPPING), left)
        .values(state=str(SessionState.INTERRUPTED))
    )


def _alone(worker: Worker) -> ColumnElement[bool]:
    """That no other worker is registered for a worker's session."""
    return ~exists().where(WorkerRow.session_id == worker.session_id, WorkerRow.id != worker.id)
