"""What a session spent and holds back, in its database: one account for all of its processes and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.inserting import insert
from storage.schema import ReservationRow, SpendingRow
from storage.workers import without_worker
from tools.spending import Granted, SpendingCaps, Spent


@dataclass(frozen=True, slots=True)
class _Notes:
    """What is to be written: amounts to count, and reservations that have ended."""

    charged: Spent = Spent()  # noqa: RUF009 - it is frozen
    ended: tuple[int, ...] = ()


class SessionSpending:
    """A worker's view of its session's account; safe to use from several threads.

    `charge` and `release` are noted and written with the next transaction, be it one of this account
    or that which stores the samples charged for (`joining`). `reserve` locks the account's row, so
    that of two processes one sees what the other reserved.

    A worker that dies leaves its reservations. Once it is not registered any more (storage.workers), others
    count them as lost, since their requests may have been billed. If it was buried in error, its
    reservations are given back when it ends them.
    """

    waits = True

    def __init__(
        self,
        database: Database,
        session_id: str,
        worker: str,
        given: SpendingCaps = SpendingCaps(),  # noqa: B008 - it is frozen
    ) -> None:
        """Opens the account for a registered worker; every cap that is `given` replaces the stored one of its name."""
        self._database = database
        self._session_id = session_id
        self._worker = worker
        self._lock = Lock()
        self._notes = _Notes()
        with database.transaction() as session:
            new = insert(session, SpendingRow).values(session_id=session_id, caps={})
            session.execute(new.on_conflict_do_nothing())
            row = self._locked(session)
            self.caps = SpendingCaps.from_dict(row.caps).changed_by(given)
            row.caps = self.caps.to_dict()

    def charge(self, actual: Spent) -> None:
        """Counts what an answer came to, with the next transaction."""
        with self._lock:
            self._notes = _Notes(self._notes.charged + actual, self._notes.ended)

    def release(self, number: int) -> None:
        """Ends a reservation, with the next transaction."""
        with self._lock:
            self._notes = _Notes(self._notes.charged, (*self._notes.ended, number))

    def reserve(self, wishes: Sequence[Spent]) -> Granted:
        """Reserves the most that requests may come to, in their order, up to the first that does not fit now.

        Raises StorageError.
        """
        with self._taken() as notes, self._database.transaction() as session:
            row = self._locked(session)
            self._write(session, row, notes)
            self._count_dead(session, row)
            self.caps = SpendingCaps.from_dict(row.caps)
            held = session.scalars(select(ReservationRow).where(self._ours, ReservationRow.lost.is_(False)))
            reserved = sum((_amount(one) for one in held), Spent())
            spent, made = _amount(row), []
            for most in wishes:
                if self.caps.exceeded_by(spent + reserved + most):
                    break
                reserved += most
                made.append(ReservationRow(session_id=self._session_id, holder=self._worker, **_columns(most)))
            session.add_all(made)
            session.flush()
            return Granted([one.id for one in made], spent, reserved)

    def flush(self) -> None:
        """Writes what is noted. Raises StorageError."""
        with self.joining() as join, self._database.transaction() as session:
            join(session)

    @contextmanager
    def joining(self) -> Iterator[Callable[[Session], None]]:
        """What writes all that is noted within a transaction of others; noted again where that fails."""
        with self._taken() as notes:

            def join(session: Session) -> None:
                if notes.ended:
                    self._write(session, self._locked(session), notes)
                elif notes.charged != Spent():
                    more = {name: getattr(SpendingRow, name) + by for name, by in _columns(notes.charged).items()}
                    session.execute(update(SpendingRow).where(SpendingRow.session_id == self._session_id).values(more))

            yield join

    @contextmanager
    def _taken(self) -> Iterator[_Notes]:
        with self._lock:
            notes, self._notes = self._notes, _Notes()
        try:
            yield notes
        except BaseException:
            with self._lock:
                self._notes = _Notes(self._notes.charged + notes.charged, notes.ended + self._notes.ended)
            raise

    def _write(self, session: Session, row: SpendingRow, notes: _Notes) -> None:
        total = _amount(row) + notes.charged
        if notes.ended:
            gone = delete(ReservationRow).where(self._ours, ReservationRow.id.in_(notes.ended))
            for one in session.scalars(gone.returning(ReservationRow)):
                # What was taken for lost is known now.
                total -= _amount(one) if one.lost else Spent()
        _set(row, total)
        session.flush()

    def _locked(self, session: Session) -> SpendingRow:
        """The account's row, which nobody else can change until the transaction ends."""
        # SQLite knows no lock of a row; a write that changes nothing locks on both kinds of databases.
        touch = update(SpendingRow).where(SpendingRow.session_id == self._session_id)
        session.execute(touch.values(generations=SpendingRow.generations))
        return session.get_one(SpendingRow, self._session_id)

    def _count_dead(self, session: Session, row: SpendingRow) -> None:
        others = self._ours, ReservationRow.holder != self._worker, ReservationRow.lost.is_(False)
        for one in session.scalars(select(ReservationRow).where(*others, without_worker(ReservationRow.holder))):
            one.lost = True
            _set(row, _amount(row) + _amount(one))
        session.flush()

    @property
    def _ours(self) -> ColumnElement[bool]:
        return ReservationRow.session_id == self._session_id


@dataclass(frozen=True, slots=True)
class SpendingRecord:
    """A session's caps, what it spent, and what its processes hold back or left behind when they died."""

    caps: SpendingCaps = SpendingCaps()  # noqa: RUF009 - it is frozen
    spent: Spent = Spent()  # noqa: RUF009 - it is frozen
    reserved: Spent = Spent()  # noqa: RUF009 - it is frozen

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"caps": self.caps.to_dict(), "spent": self.spent.to_dict(), "reserved": self.reserved.to_dict()}


def read_spending(database: Database, session_id: str) -> SpendingRecord:
    """How a session's account stands; empty for a session of a version that did not count."""
    with database.reading() as session:
        row = session.get(SpendingRow, session_id)
        if row is None:
            return SpendingRecord()
        open_ = select(ReservationRow).where(ReservationRow.session_id == session_id, ReservationRow.lost.is_(False))
        reserved = sum((_amount(one) for one in session.scalars(open_)), Spent())
        return SpendingRecord(SpendingCaps.from_dict(row.caps), _amount(row), reserved)


def _amount(row: SpendingRow | ReservationRow) -> Spent:
    return Spent(row.generations, row.tokens, row.picodollars)


def _columns(amount: Spent) -> dict[str, int]:
    return {"generations": amount.generations, "tokens": amount.tokens, "picodollars": amount.picodollars}


def _set(row: SpendingRow, amount: Spent) -> None:
    row.generations, row.tokens, row.picodollars = amount.generations, amount.tokens, amount.picodollars
