"""Many sessions at a glance, in a few queries, however many there are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter
from sqlalchemy import func, select

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
AT_WORK = frozenset({SessionState.RUNNING, SessionState.STOPPING})


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
    newest = select(SessionRow.id).order_by(SessionRow.created.desc(), SessionRow.id).limit(most).offset(after)
    trials = (
        select(
            TrialRow.session_id,
            func.count().label("planned"),
            func.count().filter(TrialRow.state == str(TrialState.COMPLETE)).label("complete"),
            func.max(TrialRow.score).label("best"),
        )
        .where(TrialRow.session_id.in_(newest))
        .group_by(TrialRow.session_id)
        .subquery()
    )
    query = (
        select(SessionRow, trials.c.planned, trials.c.complete, trials.c.best)
        .outerjoin(trials, trials.c.session_id == SessionRow.id)
        .where(SessionRow.id.in_(newest))
        .order_by(SessionRow.created.desc(), SessionRow.id)
    )
    with database.reading() as session:
        try:
            rows = session.execute(query).all()
        except ValueError as error:  # a moment that is none
            problem = one_line(str(error), SHOWN)
            raise StorageError(
                f"database {database.url}: its sessions cannot be read ({problem}); restore a copy"
            ) from error
    at_work = Workers(database).counts([row.id for row, *_ in rows if row.state in AT_WORK])
    return [
        Listed(record_of(row), planned or 0, complete or 0, best, at_work.get(row.id, 0))
        for row, planned, complete, best in rows
    ]


def record_of(row: SessionRow) -> SessionRecord:
    """The value of a stored session. Raises StorageError where its configuration is none that was written."""
    try:
        _CONFIG.validate_json(json.dumps(row.config), strict=True)  # as JSON, or strictness would ask for an instance
        config, state = SessionConfig(**row.config), SessionState(row.state)
    except CHOKED as error:
        problem = one_line(f"{type(error).__name__}: {error}", SHOWN)
        raise StorageError(f"database: session {row.id} cannot be read ({problem}); restore a copy") from error
    return SessionRecord(row.id, config, state, row.created, row.updated, row.problem)
