"""The contract of what runs a trial, and what a run gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from environment.stage import Example
from tools.space import Allocation
from tools.trial import StageScore, Usage


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of an allocation gave: each stage's score over the examples, its usage and what it drew.

    `draws` is how many samples of each request, by its key; none where nothing was sampled.
    """

    stage_scores: Mapping[str, StageScore]
    usage: Usage
    draws: Mapping[str, int] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The main metric: the last stage's mean."""
        return list(self.stage_scores.values())[-1].mean


class TrialRunner(ABC):
    """Scores allocations of one task within one budget.

    Made for one session and called by its loop, for `at_once` trials of a batch side by side at most,
    and by the judging of its result. The same allocation on the same examples gives the same scores.
    """

    at_once: int = 1

    @abstractmethod
    async def run(self, allocation: Allocation, examples: Sequence[Example]) -> Outcome:
        """Scores an allocation on examples of the task, in their order.

        Raises BudgetExceeded or InvalidAllocation before anything runs.
        """
