"""A session's configuration and standing, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar


class SessionState(StrEnum):
    """Where a session stands; all but complete can be resumed. A stopping one is left by those who work at it."""

    RUNNING = "running"
    STOPPING = "stopping"
    COMPLETE = "complete"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """Everything that decides a search: two sessions of one configuration make the same trials.

    `budget` is in the unit of the cost model called `cost`. `trials` is the number to run, `batch`
    how many are proposed at a time. `caps` are further limits, each as {"cost", "settings", "limit"}.
    `front` says that the whole front of score against cost is judged. The options are plain values
    without secrets.

    `task_digest` is that of the task, which must be the same when the session goes on. `recorded_from`
    and `simulated` are the task's, so that a session can be shown without it; None where the session
    is older than they are.
    """

    task: str
    task_options: Mapping[str, Any]
    searcher: str
    searcher_options: Mapping[str, Any]
    seed: int
    budget: float
    cost: str
    cost_settings: Mapping[str, Any]
    trials: int
    batch: int
    task_digest: str = ""
    recorded_from: str | None = None
    simulated: bool | None = None
    caps: Sequence[Mapping[str, Any]] = ()
    front: bool = False

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        # The database keeps them as a list, which equals no tuple.
        object.__setattr__(self, "caps", tuple(self.caps))


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A stored session. `problem` says why it failed, where it did."""

    id: str
    config: SessionConfig
    state: SessionState
    created: datetime
    updated: datetime
    problem: str = ""
