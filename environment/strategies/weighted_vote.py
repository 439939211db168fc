"""Votes weighted by the model's confidence (Wang et al. 2022, arXiv 2203.11171, Equation 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from environment.stage import Stage
from environment.strategies.confidence import mean_logprob
from environment.strategy import Draw, StageRun, Strategy, sample_request

BALLOTS = 10
"""How many ballots the most confident sample casts; others cast in proportion, to a tenth."""


@runtime_checkable
class WeighsVotes(Protocol):
    """A stage that weighs votes itself, exactly; other stages count ballots."""

    def weighted_vote(self, outputs: Sequence[Any], weights: Sequence[float]) -> Any:
        """The output that the votes support when each counts by its weight, in [0, 1]."""
        ...


class WeightedVote(Strategy):
    """The stage's vote over its parsed samples, each counted by the model's confidence in it.

    A sample's weight is exp of the mean log-probability of its tokens: its probability, normalised
    by length ("weighted sum, normalised" of self-consistency; the response probability of CISC,
    Taubenfeld et al. 2025, arXiv 2502.06233, whose softmax at temperature 1 gives the same ratios).
    Needs a server that tells log-probabilities.
    """

    name = "weighted-vote"

    async def run(self, run: StageRun, draw: Draw) -> Any:
        samples = await draw(sample_request(run), run.samples)
        outputs = [run.stage.parse(sample.text, run.example) for sample in samples]
        if run.samples == 1:
            return run.stage.vote(outputs)
        return weighted_vote(run.stage, outputs, weights([mean_logprob(sample, run) for sample in samples]))


def weights(logprobs: Sequence[float]) -> list[float]:
    """exp of each, relative to the largest, so that the largest weight is 1."""
    largest = max(logprobs)
    if largest == -math.inf:
        return [1.0] * len(logprobs)
    return [math.exp(logprob - largest) for logprob in logprobs]


def weighted_vote(stage: Stage, outputs: Sequence[Any], weights: Sequence[float]) -> Any:
    """The stage's weighted vote, or its plain vote over each output's ballots."""
    if isinstance(stage, WeighsVotes):
        return stage.weighted_vote(outputs, weights)
    return stage.vote([output for output, weight in zip(outputs, weights, strict=True) for _ in range(_cast(weight))])


def _cast(weight: float) -> int:
    return round(BALLOTS * weight)
