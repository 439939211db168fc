"""Many sessions at a glance, in a few queries, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Text, cast, func, select

from storage.database import Database
from storage.schema import SessionRow, TrialRow
from storage.session import SessionConfig, SessionRecord, SessionState
from storage.workers import Workers
from tools.declared import CHOKED
from tools.errors import StorageError
from tools.text import one_line
from tools.trial import TrialState

MOST_LISTED = 200
SHOWN = 200
"""Characters of what is wrong with a row that are told."""
_CONFIG = TypeAdapter(SessionConfig)
ABANDONED = "abandoned"
RECORD = (
    SessionRow.id,
    cast(SessionRow.config, Text).label("config"),  # read once, by what checks it
    SessionRow.state,
    SessionRow.created,
    SessionRow.updated,
    SessionRow.problem,
)
"""The columns that make a SessionRecord."""
NEWEST = (SessionRow.created.desc(), SessionRow.id)
"""The order of sessions."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A session with how many trials it planned and completed, and its highest search score (None without one).

    `at_work` counts the processes that run it now.
    """

    record: SessionRecord
    planned: int
    complete: int
    best: float | None
    at_work: int

    @property
    def standing(self) -> str:
        """The session's state; "abandoned" where it was running and no process does so any more."""
        return ABANDONED if self.record.state is SessionState.RUNNING and not self.at_work else str(self.record.state)


def listed_sessions(database: Database, most: int = MOST_LISTED, after: int = 0) -> Sequence[Listed]:
    """The newest sessions first, `most` of them, leaving out the first `after`. Raises StorageError."""
    newest = select(*RECORD).order_by(*NEWEST).limit(most).offset(after).cte("newest")
    trials = (
        select(
            TrialRow.session_id,
            func.count().label("planned"),
            func.count().filter(TrialRow.state == str(TrialState.COMPLETE)).label("complete"),
            func.max(TrialRow.score).label("best"),
        )
        .where(TrialRow.session_id.in_(select(newest.c.id)))
        .group_by(TrialRow.session_id)
        .subquery()
    )
    query = (
        select(newest, func.coalesce(trials.c.planned, 0), func.coalesce(trials.c.complete, 0), trials.c.best)
        .outerjoin(trials, trials.c.session_id == newest.c.id)
        .order_by(newest.c.created.desc(), newest.c.id)
    )
    with database.reading() as session:
        try:
            rows = session.execute(query).all()
        except ValueError as error:  # a moment that is none
            problem = one_line(str(error), SHOWN)
            raise StorageError(
                f"database {database.url}: its sessions cannot be read ({problem}); restore a copy"
            ) from error
    at_work = Workers(database).counts()
    return [
        Listed(record_of(record), planned, complete, best, at_work.get(record[0], 0))
        for *record, planned, complete, best in rows
    ]


def record_of(row: Sequence[Any]) -> SessionRecord:
    """The value of a stored session, given its RECORD.

    Raises StorageError where its configuration is none that was written.
    """
    session_id, config, state, *rest = row
    try:
        return SessionRecord(session_id, _CONFIG.validate_json(config, strict=True), SessionState(state), *rest)
    except CHOKED as error:
        problem = one_line(f"{type(error).__name__}: {error}", SHOWN)
        raise StorageError(f"database: session {session_id} cannot be read ({problem}); restore a copy") from error
