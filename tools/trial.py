"""What one execution of an allocation left behind, and what the searcher concluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean
from types import MappingProxyType

from tools.space import Allocation
from tools.statistics import Interval, wilson_interval


class TrialState(StrEnum):
    """Where a trial stands: waiting -> running -> complete or failed (failed may run again)."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


TRANSITIONS: Mapping[TrialState, frozenset[TrialState]] = MappingProxyType(
    {
        TrialState.WAITING: frozenset({TrialState.RUNNING}),
        TrialState.RUNNING: frozenset({TrialState.COMPLETE, TrialState.FAILED, TrialState.WAITING}),
        TrialState.COMPLETE: frozenset(),
        TrialState.FAILED: frozenset({TrialState.WAITING}),
    }
)
"""The allowed moves. Running -> waiting returns the trial of a process that died."""


@dataclass(frozen=True, slots=True)
class StageScore:
    """A subtask's mean metric over examples, with the value of each example where known."""

    metric: str
    mean: float
    per_example: tuple[float, ...] = ()

    @classmethod
    def of(cls, metric: str, per_example: Sequence[float]) -> StageScore:
        """The score of these examples. At least one is needed."""
        return cls(metric, fmean(per_example), tuple(per_example))

    @property
    def interval(self) -> Interval:
        """The 95% interval of the mean; the whole unit interval where examples are unknown."""
        return wilson_interval(self.mean, len(self.per_example))


@dataclass(frozen=True, slots=True)
class Usage:
    """Generations and tokens one trial needed.

    `requested` counts every sample the strategies asked for, as a search without memory would
    generate them; `fresh` those that no earlier trial of the session had asked for; `paid` those
    that a backend really produced now. Tokens are those of the paid generations.
    """

    requested: int = 0
    fresh: int = 0
    paid: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requested + other.requested,
            self.fresh + other.fresh,
            self.paid + other.paid,
            self.prompt_tokens + other.prompt_tokens,
            self.generation_tokens + other.generation_tokens,
        )

    @property
    def reused(self) -> int:
        """Samples asked for that no backend had to produce."""
        return self.requested - self.paid


@dataclass(frozen=True, slots=True)
class Trial:
    """An allocation, its state, its scores and its cost.

    `number` counts from 0 within the session. `cost` is in the session's budget unit. `origin`
    names who proposed it (a searcher, or "planner (replacement)"), `reason` why. `score` is the
    main metric: the last subtask's mean, None until complete.
    """

    number: int
    allocation: Allocation
    cost: float
    state: TrialState = TrialState.WAITING
    origin: str = ""
    reason: str = ""
    batch: int = 0
    stage_scores: Mapping[str, StageScore] = field(default_factory=dict)
    score: float | None = None
    usage: Usage = Usage()
    error: str = ""

    @property
    def interval(self) -> Interval:
        """The 95% interval of the score."""
        stages = list(self.stage_scores.values())
        return stages[-1].interval if stages else wilson_interval(0.0, 0)


@dataclass(frozen=True, slots=True)
class Guideline:
    """What the searcher concluded after a batch of trials, and why."""

    batch: int
    text: str
    origin: str


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial with the highest score; among equals the cheapest, then the earliest."""
    complete = [t for t in trials if t.state is TrialState.COMPLETE and t.score is not None]
    return min(complete, key=lambda t: (-(t.score or 0.0), t.cost, t.number), default=None)
