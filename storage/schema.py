"""The tables. SQL and mapped classes stay inside storage; others see the values of `tools`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from storage.columns import LargeWhole, Real, Whole
from tools.trial import TrialState

LONGEST_ENDPOINT, LONGEST_MODEL = 500, 300
"""Characters by which faults are told apart."""
STATES = ", ".join(f"'{state}'" for state in TrialState)


def now() -> datetime:
    """The current time with its zone."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Base of every table."""

    type_annotation_map = {  # noqa: RUF012
        dict[str, Any]: JSON,
        list[Any]: JSON,
        datetime: DateTime(timezone=True),
        int: Whole,
        float: Real,
    }


class SessionRow(Base):
    """One search: its configuration and where it stands."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    config: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))
    problem: Mapped[str] = mapped_column(Text, default="")
    setup: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created: Mapped[datetime] = mapped_column(default=now, index=True)
    updated: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    leader: Mapped[str | None] = mapped_column(String(32))


class TrialRow(Base):
    """One allocation of a session with its state, cost and usage."""

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("session_id", "number", name="uq_trials_session_number"),
        CheckConstraint(f"state IN ({STATES})", name="ck_trials_state"),
        # How a session stands is read from the index alone: the rows themselves are wide.
        Index("ix_trials_standing", "session_id", "state", "score"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    number: Mapped[int]
    batch: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    allocation: Mapped[dict[str, Any]]
    cost: Mapped[float]
    score: Mapped[float | None]
    origin: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    error: Mapped[str] = mapped_column(Text, default="")
    usage: Mapped[dict[str, Any]]
    created: Mapped[datetime] = mapped_column(default=now)
    updated: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    worker: Mapped[str | None] = mapped_column(String(32))
    stage_scores: Mapped[list[StageScoreRow]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="StageScoreRow.position"
    )


class StageScoreRow(Base):
    """A trial's score at one subtask, with the value of each example."""

    __tablename__ = "stage_scores"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    subtask: Mapped[str] = mapped_column(String(200), primary_key=True)
    position: Mapped[int]
    metric: Mapped[str] = mapped_column(String(200))
    mean: Mapped[float]
    per_example: Mapped[list[Any]]


class TrialDrawsRow(Base):
    """Which samples a complete trial drew: how many of each request, by its key."""

    __tablename__ = "trial_draws"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    draws: Mapped[dict[str, Any]]


class GuidelineRow(Base):
    """What the searcher concluded after a batch."""

    __tablename__ = "guidelines"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    batch: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime] = mapped_column(default=now)


class TranscriptRow(Base):
    """One call of the search agent's language model."""

    __tablename__ = "transcripts"
    __table_args__ = (Index("ix_transcripts_session", "session_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    body: Mapped[dict[str, Any]]
    created: Mapped[datetime] = mapped_column(default=now)


class EvaluationRow(Base):
    """An allocation judged on a split beside the trials."""

    __tablename__ = "evaluations"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    label: Mapped[str] = mapped_column(String(100), primary_key=True)
    split: Mapped[str] = mapped_column(String(32), primary_key=True)
    allocation: Mapped[dict[str, Any]]
    cost: Mapped[float]
    stage_scores: Mapped[list[Any]]
    created: Mapped[datetime] = mapped_column(default=now)


class EvaluationDrawsRow(Base):
    """Which samples an evaluation drew: how many of each request, by its key."""

    __tablename__ = "evaluation_draws"
    __table_args__ = (
        ForeignKeyConstraint(
            ["session_id", "label", "split"],
            ["evaluations.session_id", "evaluations.label", "evaluations.split"],
            ondelete="CASCADE",
        ),
    )

    session_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    label: Mapped[str] = mapped_column(String(100), primary_key=True)
    split: Mapped[str] = mapped_column(String(32), primary_key=True)
    draws: Mapped[dict[str, Any]]


class SampleDigestRow(Base):
    """What is known of a sample that a session of another database drew, where the sample itself is not here."""

    __tablename__ = "sample_digests"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    prompt_tokens: Mapped[int]
    generation_tokens: Mapped[int]


class SpendingRow(Base):
    """What a session has spent over all of its runs, and what it may spend; money in 1e-12 dollars."""

    __tablename__ = "spending"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    caps: Mapped[dict[str, Any]]
    generations: Mapped[int] = mapped_column(LargeWhole, default=0)
    tokens: Mapped[int] = mapped_column(LargeWhole, default=0)
    picodollars: Mapped[int] = mapped_column(LargeWhole, default=0)


class ReservationRow(Base):
    """The most that a request under way may come to. `holder` is a worker; `lost` says that it is counted as spent."""

    __tablename__ = "reservations"
    __table_args__ = (Index("ix_reservations_session", "session_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    holder: Mapped[str] = mapped_column(String(32))
    lost: Mapped[bool] = mapped_column(default=False)
    generations: Mapped[int] = mapped_column(LargeWhole)
    tokens: Mapped[int] = mapped_column(LargeWhole)
    picodollars: Mapped[int] = mapped_column(LargeWhole)


class FaultRow(Base):
    """What went wrong at one endpoint with one model in one way, summed; `waited` in seconds."""

    __tablename__ = "faults"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    endpoint: Mapped[str] = mapped_column(String(LONGEST_ENDPOINT), primary_key=True)
    model: Mapped[str] = mapped_column(String(LONGEST_MODEL), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    count: Mapped[int]
    retried: Mapped[int]
    waited: Mapped[float]
    lost_generations: Mapped[int] = mapped_column(LargeWhole)
    lost_prompt_tokens: Mapped[int] = mapped_column(LargeWhole)
    lost_generation_tokens: Mapped[int] = mapped_column(LargeWhole)
    lost_picodollars: Mapped[int] = mapped_column(LargeWhole)


class RequestRow(Base):
    """The question behind a content address."""

    __tablename__ = "requests"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[dict[str, Any]]


class SampleRow(Base):
    """One generated response of a request."""

    __tablename__ = "samples"

    key: Mapped[str] = mapped_column(ForeignKey("requests.key", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    prompt_tokens: Mapped[int]
    generation_tokens: Mapped[int]
    latency: Mapped[float]
    finish_reason: Mapped[str] = mapped_column(String(64))
    mean_logprob: Mapped[float | None]
    created: Mapped[datetime] = mapped_column(default=now)


class WorkerRow(Base):
    """A process at work on a session. `heartbeat` is in seconds since 1970 by the database's clock."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    host: Mapped[str] = mapped_column(String(255))
    machine: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    began: Mapped[float]
    started: Mapped[datetime]
    heartbeat: Mapped[float]
    lease: Mapped[float]


class ClaimRow(Base):
    """A request that a worker generates for. The holder need not be registered: the claim is free then."""

    __tablename__ = "claims"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    worker: Mapped[str] = mapped_column(String(32))
