"""short-m@k: vote among the first m of k generations to finish (Hassid et al. 2025, arXiv 2505.17813)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from environment.strategy import Draw, StageRun, Strategy, sample_request
from storage.sample import Race, Sample
from tools.space import Subtask
from tools.token_use import Call, samples_alone


class ShortMAtK(Strategy):
    """S samples start side by side, the first m that finish vote, the others are cancelled.

    They are drawn as a race: stored as a whole under an address of its own, never mixed with other
    samples. Where S is at most m nothing is cancelled, so the samples are those that a majority vote
    would draw. The vote gets its outputs in the order of finishing (of length, where nothing raced),
    so that a stage whose vote prefers the earliest among equals prefers the shortest, as the paper
    does. What a cancelled generation had used when its connection was closed is known to its server
    alone: usage counts the finishers.
    """

    finishers: ClassVar[int]

    async def run(self, run: StageRun, draw: Draw) -> Any:
        samples = await self._first(run, draw)
        return run.stage.vote([run.stage.parse(sample.text, run.example) for sample in samples])

    async def _first(self, run: StageRun, draw: Draw) -> Sequence[Sample]:
        request = sample_request(run)
        if run.samples <= self.finishers:
            return sorted(await draw(request, run.samples), key=lambda sample: sample.generation_tokens)
        return await draw(replace(request, race=Race(run.samples, self.finishers)), self.finishers)


class Short1AtK(ShortMAtK):
    """The first to finish counts: the cheapest form."""

    name = "short-1-at-k"
    finishers = 1


class Short3AtK(ShortMAtK):
    """The first three to finish vote: the form that beat the majority of all k at every budget."""

    name = "short-3-at-k"
    finishers = 3


def short_1_tokens(subtask: Subtask, samples: int) -> Sequence[Call]:
    """At most so many: a cancelled generation is counted as if it had finished."""
    return _tokens(subtask, samples, Short1AtK.finishers)


def short_3_tokens(subtask: Subtask, samples: int) -> Sequence[Call]:
    """At most so many: a cancelled generation is counted as if it had finished."""
    return _tokens(subtask, samples, Short3AtK.finishers)


def _tokens(subtask: Subtask, samples: int, finishers: int) -> Sequence[Call]:
    if samples <= finishers:
        return samples_alone(subtask, samples)
    # Only a request of its own can be cancelled alone, so each pays its prompt.
    return (Call(subtask.prompt_tokens, subtask.generation_tokens, requests=samples),)
