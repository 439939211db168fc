"""One sample and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from environment.strategy import Draw, StageRun, Strategy, sample_request
from tools.space import Subtask
from tools.token_use import Call


class Single(Strategy):
    """The output of the first sample.

    It draws one sample whatever count is asked, so that a space which searches strategies wastes
    nothing on the counts it pairs with this one; all of them give the same output at one price.
    """

    name = "single"

    async def run(self, run: StageRun, draw: Draw) -> Any:
        (sample,) = await draw(sample_request(run), 1)
        return run.stage.parse(sample.text, run.example)


def single_tokens(subtask: Subtask, samples: int) -> Sequence[Call]:
    """One sample, whatever count is asked."""
    return (Call(subtask.prompt_tokens, subtask.generation_tokens),)
