"""The archive: sessions with their trials, guidelines, transcripts and evaluations."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime
from functools import wraps
from itertools import chain
from typing import Any, TypeVar, cast

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.evaluation import Evaluation
from storage.fault import FaultSum
from storage.faults import SessionFaults
from storage.listing import NEWEST, RECORD, record_of
from storage.sample import most_drawn
from storage.schema import (
    EvaluationDrawsRow,
    EvaluationRow,
    GuidelineRow,
    SessionRow,
    StageScoreRow,
    TranscriptRow,
    TrialDrawsRow,
    TrialRow,
)
from storage.session import SessionConfig, SessionRecord, SessionState
from storage.spending import SessionSpending, SpendingRecord, read_spending
from storage.transcript import Transcript
from storage.workers import without_worker
from tools.declared import CHOKED
from tools.errors import InvalidTransition, SessionLocked, StorageError, UnknownSession
from tools.space import Allocation
from tools.text import one_line
from tools.trial import TRANSITIONS, Guideline, StageScore, Trial, TrialState, Usage
from tools.validation import require_instance

LAST = "last"
SHOWN = 200
"""Characters of what is wrong with a row that are told."""
R = TypeVar("R", bound=Callable[..., Any])


def _told_when_unreadable(read: R) -> R:
    """Raises StorageError where rows hold what no version of this program wrote."""

    @wraps(read)
    def told(archive: Archive, *arguments: Any, **options: Any) -> Any:
        try:
            return read(archive, *arguments, **options)
        except CHOKED as error:
            problem = one_line(f"{type(error).__name__}: {error}", SHOWN)
            raise StorageError(
                f"database {archive.url}: its {read.__name__} cannot be read ({problem}); restore a copy"
            ) from error

    return cast(R, told)


class Archive:
    """Reads and writes sessions; every call is one transaction.

    A `worker`'s archive is fenced: it writes what a session's leader decides only while that worker
    leads it, and moves a running trial only where that worker runs it.
    """

    def __init__(self, database: Database, worker: str | None = None, spending: SessionSpending | None = None) -> None:
        """What `spending` has noted is written in the transaction of the model call that it was spent on."""
        self._database = database
        self._worker = worker
        self._spending = spending

    @property
    def url(self) -> str:
        """The database's URL with its password hidden."""
        return self._database.url

    def create_session(self, config: SessionConfig, setup: Mapping[str, Any] | None = None) -> SessionRecord:
        """A new running session with a short random id.

        `setup` is what its log tells beside the configuration, as plain values.
        """
        state = SessionState.RUNNING
        row = SessionRow(id=secrets.token_hex(4), config=asdict(config), state=state, problem="", setup=setup)
        with self._database.transaction() as session:
            session.add(row)
            session.flush()
            return record_of(session.execute(select(*RECORD).where(SessionRow.id == row.id)).one())

    def adopt_session(self, record: SessionRecord, setup: Mapping[str, Any] | None) -> None:
        """Stores a session of another database under its own id."""
        row = SessionRow(
            id=record.id,
            config=asdict(record.config),
            state=record.state,
            problem=record.problem,
            setup=setup,
            created=record.created,
        )
        with self._database.transaction() as session:
            session.add(row)

    @_told_when_unreadable
    def setup(self, session_id: str) -> dict[str, Any] | None:
        """What the session's log tells beside its configuration; None where the session is older than that."""
        with self._database.reading() as session:
            return session.scalar(select(SessionRow.setup).where(SessionRow.id == session_id))

    @_told_when_unreadable
    def session(self, name: str) -> SessionRecord:
        """The session with this id or unique beginning of one, or the newest for "last".

        Raises UnknownSession naming the newest ids.
        """
        require_instance("session", name, str)
        newest = select(*RECORD).order_by(*NEWEST)
        # Not LIKE, which looks at no case in SQLite.
        begins = newest.where(func.substr(SessionRow.id, 1, len(name)) == name)
        with self._database.reading() as session:
            matches = session.execute(newest.where(SessionRow.id == name)).all()
            if not matches:
                matches = session.execute(newest.limit(1) if name == LAST else begins.limit(2)).all()
            if not name or len(matches) != 1:
                known = list(session.scalars(select(SessionRow.id).order_by(*NEWEST).limit(5)))
                raise UnknownSession(name, known, ambiguous=len(matches) > 1)
            return record_of(matches[0])

    def holds(self, session_id: str) -> bool:
        """Whether a session with exactly this id is stored."""
        with self._database.reading() as session:
            return session.scalar(select(SessionRow.id).where(SessionRow.id == session_id)) is not None

    def state(self, session_id: str) -> SessionState:
        """Where the session with exactly this id stands."""
        with self._database.reading() as session:
            return SessionState(session.scalars(select(SessionRow.state).where(SessionRow.id == session_id)).one())

    @_told_when_unreadable
    def sessions(self) -> list[SessionRecord]:
        """Every session, the newest first."""
        with self._database.reading() as session:
            return [record_of(row) for row in session.execute(select(*RECORD).order_by(*NEWEST))]

    def set_state(self, session_id: str, state: SessionState, problem: str = "") -> None:
        """Notes where a session stands and, for a failed one, why. Raises SessionLocked."""
        with self._deciding(session_id) as session:
            row = session.get_one(SessionRow, session_id)
            row.state, row.problem = state, problem

    def add_trials(self, session_id: str, trials: Sequence[Trial]) -> None:
        """Stores new trials. A number is stored once: a second one raises StorageError. Raises SessionLocked."""
        with self._deciding(session_id) as session:
            session.add_all(_trial_row(session_id, trial) for trial in trials)

    def save_trial(self, session_id: str, trial: Trial, draws: Mapping[str, int] | None = None) -> None:
        """Moves a stored trial to its new state with its scores, usage and error, and what it drew.

        The move is atomic: of two processes that move one trial, one succeeds. Raises
        InvalidTransition where TRANSITIONS does not allow it, and where the trial runs elsewhere.
        """
        sources = [str(state) for state, targets in TRANSITIONS.items() if trial.state in targets]
        mine = TrialRow.worker == self._worker if self._worker else TrialRow.worker.is_(None)
        move = (
            update(TrialRow)
            .where(
                TrialRow.session_id == session_id,
                TrialRow.number == trial.number,
                TrialRow.state.in_(sources),
                or_(TrialRow.state != str(TrialState.RUNNING), mine),
            )
            .values(
                state=str(trial.state),
                score=trial.score,
                error=trial.error,
                usage=asdict(trial.usage),
                worker=self._worker if trial.state is TrialState.RUNNING else None,
            )
            .returning(TrialRow.id)
        )
        with self._database.transaction() as session:
            trial_id = session.scalar(move)
            if trial_id is None:
                raise InvalidTransition(self._why_not(session, session_id, trial))
            session.add_all(_score_rows(trial_id, trial.stage_scores))
            if draws is not None:
                session.add(TrialDrawsRow(trial_id=trial_id, draws=dict(draws)))

    def claim_trial(self, session_id: str) -> Trial | None:
        """The first trial that waits, or whose worker is gone, now running and this worker's; None where there is none.

        Of several workers that claim at once, each gets another trial.
        """
        row = TrialRow
        free = or_(
            row.state == str(TrialState.WAITING),
            and_(row.state == str(TrialState.RUNNING), without_worker(row.worker)),
        )
        first = select(row.id).where(row.session_id == session_id, free).order_by(row.number).limit(1)
        with self._database.transaction() as session:
            trial_id = session.scalar(first.with_for_update(skip_locked=True))
            if trial_id is None:
                return None
            # Asked once more, now that the row is locked: its new worker may have registered since.
            claim = update(row).where(row.id == trial_id, free).values(state=str(TrialState.RUNNING))
            claimed = session.scalars(claim.values(worker=self._worker).returning(row)).one_or_none()
            return None if claimed is None else _trial(claimed)

    @_told_when_unreadable
    def trials(self, session_id: str, numbers: Collection[int] | None = None) -> list[Trial]:
        """The session's trials by number, or those of these numbers."""
        query = select(TrialRow).where(TrialRow.session_id == session_id).order_by(TrialRow.number)
        if numbers is not None:
            query = query.where(TrialRow.number.in_(numbers))
        with self._database.reading() as session:
            return [_trial(row) for row in session.scalars(query)]

    @_told_when_unreadable
    def trial_times(self, session_id: str) -> dict[int, tuple[datetime, datetime]]:
        """When each trial was stored and when it last changed, by number."""
        query = select(TrialRow.number, TrialRow.created, TrialRow.updated).where(TrialRow.session_id == session_id)
        with self._database.reading() as session:
            return {number: (created, updated) for number, created, updated in session.execute(query)}

    def add_guideline(self, session_id: str, guideline: Guideline) -> None:
        """Stores what was concluded after a batch."""
        with self._deciding(session_id) as session:
            session.add(GuidelineRow(session_id=session_id, **asdict(guideline)))

    @_told_when_unreadable
    def guidelines(self, session_id: str) -> list[Guideline]:
        """The session's guidelines by batch."""
        query = select(GuidelineRow).where(GuidelineRow.session_id == session_id).order_by(GuidelineRow.batch)
        with self._database.reading() as session:
            return [Guideline(row.batch, row.text, row.origin) for row in session.scalars(query)]

    def add_transcripts(self, session_id: str, transcripts: Sequence[Transcript]) -> None:
        """Stores model calls in their order."""
        with self._deciding(session_id) as session:
            session.add_all(TranscriptRow(session_id=session_id, body=asdict(t)) for t in transcripts)

    def keep_transcript(self, session_id: str, place: int, transcript: Transcript) -> None:
        """Stores the model call of a place, counted from 0 within the session; the newest or the next one's.

        On return it is on disk. Raises SessionLocked.
        """
        body = asdict(transcript)
        joining = self._spending.joining() if self._spending else nullcontext()
        rows = select(TranscriptRow).where(TranscriptRow.session_id == session_id).order_by(TranscriptRow.id)
        with joining as join, self._deciding(session_id, join) as session:
            row = session.scalar(rows.offset(place).limit(1))
            if row is None:
                session.add(TranscriptRow(session_id=session_id, body=body))
            else:
                row.body = body

    @_told_when_unreadable
    def transcripts(self, session_id: str) -> list[Transcript]:
        """The session's model calls in their order."""
        query = select(TranscriptRow).where(TranscriptRow.session_id == session_id).order_by(TranscriptRow.id)
        with self._database.reading() as session:
            bodies = [row.body for row in session.scalars(query)]
        lists = ("messages", "tool_calls")
        return [Transcript(**{**body, **{name: tuple(body[name]) for name in lists}}) for body in bodies]

    def save_evaluation(self, session_id: str, evaluation: Evaluation, draws: Mapping[str, int] | None = None) -> None:
        """Stores a judged allocation and what it drew; label and split are stored once. Raises SessionLocked."""
        named = {"session_id": session_id, "label": evaluation.label, "split": evaluation.split}
        with self._deciding(session_id) as session:
            session.add(
                EvaluationRow(
                    **named,
                    allocation=evaluation.allocation.to_dict(),
                    cost=evaluation.cost,
                    stage_scores=[{"subtask": n, **asdict(s)} for n, s in evaluation.stage_scores.items()],
                )
            )
            session.flush()
            if draws is not None:
                session.add(EvaluationDrawsRow(**named, draws=dict(draws)))

    @_told_when_unreadable
    def evaluations(self, session_id: str) -> list[Evaluation]:
        """The session's judged allocations, in the order they were stored."""
        query = select(EvaluationRow).where(EvaluationRow.session_id == session_id).order_by(EvaluationRow.created)
        with self._database.reading() as session:
            return [_evaluation(row) for row in session.scalars(query)]

    def drawn(self, session_id: str) -> dict[str, int]:
        """The most samples of each request, by its key, that a trial or an evaluation of the session drew."""
        trials = select(TrialDrawsRow.draws).join(TrialRow).where(TrialRow.session_id == session_id)
        evaluations = select(EvaluationDrawsRow.draws).where(EvaluationDrawsRow.session_id == session_id)
        with self._database.reading() as session:
            return most_drawn(chain(session.scalars(trials), session.scalars(evaluations)))

    def spending(self, session_id: str) -> SpendingRecord:
        """What the session may spend and has spent, over all of its runs."""
        return read_spending(self._database, session_id)

    def faults(self, session_id: str) -> tuple[FaultSum, ...]:
        """What went wrong at the session's endpoints, by endpoint, model and kind."""
        return SessionFaults(self._database, session_id).sums()

    @contextmanager
    def _deciding(self, session_id: str, join: Callable[[Session], None] | None = None) -> Iterator[Session]:
        """A transaction of the leader's. Raises SessionLocked where the archive's worker does not lead the session."""
        leader = select(SessionRow.leader).where(SessionRow.id == session_id).with_for_update()
        with self._database.transaction() as session:
            # First: whoever holds the account's row goes on to the session's, never the other way.
            if join is not None:
                join(session)
            if self._worker is not None and session.scalar(leader) != self._worker:
                raise SessionLocked(f"session {session_id}: another process leads it now")
            yield session

    @staticmethod
    def _why_not(session: Session, session_id: str, trial: Trial) -> str:
        state = session.scalar(
            select(TrialRow.state).where(TrialRow.session_id == session_id, TrialRow.number == trial.number)
        )
        now = f"is {state}" if state else "does not exist"
        return f"session {session_id}: trial {trial.number} {now} and cannot become {trial.state}"


def _trial_row(session_id: str, trial: Trial) -> TrialRow:
    return TrialRow(
        session_id=session_id,
        number=trial.number,
        batch=trial.batch,
        state=str(trial.state),
        allocation=trial.allocation.to_dict(),
        cost=trial.cost,
        score=trial.score,
        origin=trial.origin,
        reason=trial.reason,
        error=trial.error,
        usage=asdict(trial.usage),
        stage_scores=_score_rows(None, trial.stage_scores),
    )


def _score_rows(trial_id: int | None, scores: Mapping[str, StageScore]) -> list[StageScoreRow]:
    rows = []
    for position, (subtask, score) in enumerate(scores.items()):
        row = StageScoreRow(
            subtask=subtask,
            position=position,
            metric=score.metric,
            mean=score.mean,
            per_example=list(score.per_example),
        )
        if trial_id is not None:
            row.trial_id = trial_id
        rows.append(row)
    return rows


def _trial(row: TrialRow) -> Trial:
    return Trial(
        number=row.number,
        allocation=Allocation.from_dict(row.allocation),
        cost=row.cost,
        state=TrialState(row.state),
        origin=row.origin,
        reason=row.reason,
        batch=row.batch,
        stage_scores={s.subtask: StageScore(s.metric, s.mean, tuple(s.per_example)) for s in row.stage_scores},
        score=row.score,
        usage=Usage(**row.usage),
        error=row.error,
    )


def _evaluation(row: EvaluationRow) -> Evaluation:
    scores = {
        s["subtask"]: StageScore(s["metric"], float(s["mean"]), tuple(map(float, s["per_example"])))
        for s in row.stage_scores
    }
    return Evaluation(row.label, Allocation.from_dict(row.allocation), row.split, row.cost, scores)
