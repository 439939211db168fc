"""The search in its batches: what was tried, the reasons given for it, and what was concluded from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.trial import Guideline, Trial

if TYPE_CHECKING:
    from agent.session import Result

MOST_TRIALS = 500
"""Listed with their reasons; a longer search's first and last ones."""


@dataclass(frozen=True)
class Reason:
    """The trials of a batch that one reason was given for, in their order."""

    text: str
    origin: str
    trials: Sequence[Trial]


@dataclass(frozen=True)
class Batch:
    """A batch of trials by reason, with the best score before and after it and what was concluded."""

    number: int
    reasons: Sequence[Reason]
    before: float | None
    after: float | None
    guidelines: Sequence[Guideline]

    @property
    def trials(self) -> list[Trial]:
        """All trials of the batch."""
        return sorted((trial for reason in self.reasons for trial in reason.trials), key=lambda trial: trial.number)

    @property
    def improved(self) -> bool:
        """Whether it raised the best score."""
        return self.after is not None and (self.before is None or self.after > self.before)


def batches(result: Result) -> list[Batch]:
    """The session's batches in order."""
    found: list[Batch] = []
    best: float | None = None
    numbers = {trial.batch for trial in result.trials} | {guideline.batch for guideline in result.guidelines}
    for number in sorted(numbers):
        trials = [trial for trial in result.trials if trial.batch == number]
        scores = [trial.score for trial in trials if trial.score is not None]
        after = max([*scores, *([] if best is None else [best])], default=None)
        concluded = [guideline for guideline in result.guidelines if guideline.batch == number]
        found.append(Batch(number, by_reason(trials), best, after, concluded))
        best = after
    return found


def by_reason(trials: Sequence[Trial]) -> list[Reason]:
    """The trials by the reason given for them."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.reason, trial.origin), []).append(trial)
    return [Reason(text, origin, group) for (text, origin), group in groups.items()]


def bounded(found: Sequence[Batch], most: int = MOST_TRIALS) -> tuple[list[Batch], int]:
    """As many of the first and last batches as hold `most` trials, and how many batches are left out."""
    kept: set[int] = set()
    room = most
    ends = [place for pair in zip(range(len(found)), reversed(range(len(found))), strict=True) for place in pair]
    for place in dict.fromkeys(ends):
        if kept and room < len(found[place].trials):
            break
        kept.add(place)
        room -= len(found[place].trials)
    return [found[place] for place in sorted(kept)], len(found) - len(kept)
