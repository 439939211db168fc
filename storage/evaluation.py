"""An allocation judged on a split of the examples, beside the trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tools.space import Allocation
from tools.trial import StageScore


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`label` says what the allocation stands for, `cost` is in the session's budget unit."""

    label: str
    allocation: Allocation
    split: str
    cost: float
    stage_scores: Mapping[str, StageScore]

    @property
    def score(self) -> StageScore:
        """The main metric: the last stage's score."""
        return list(self.stage_scores.values())[-1]
