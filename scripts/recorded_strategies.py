"""Prints what strategies make of the same recorded samples, one stage at a time.

    python scripts/recorded_strategies.py

Strategies that need no further generation (single, majority, best-of-n with the stages' own
verifiers) read exactly the samples that fusion fused. Differences are to majority voting on the
same examples (search and held-out together), with 95% bootstrap intervals over examples. qa answers
after one retrieval sample of the largest model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from environment.backend import collected
from environment.multihop.recorded import MODELS, SAMPLE_COUNTS, recorded_task
from environment.multihop.stages import RETRIEVAL
from environment.stage import Example, Stage
from environment.strategies.single import Single
from environment.strategy import STRATEGIES, StageRun
from environment.task import Task
from storage.sample import GenerationRequest, Sample

COMPARED = ("single", "fusion", "majority", "best-of-n")
REFERENCE = "majority"
RESAMPLES = 10_000
Values = NDArray[np.float64]


class Recorded:
    """Runs a stage of the recorded benchmark on every example."""

    def __init__(self, task: Task) -> None:
        self._backends = task.connect()
        self._examples: Sequence[Example] = [*task.search_examples, *task.held_out_examples]

    async def draw(self, request: GenerationRequest, count: int) -> Sequence[Sample]:
        return await collected(self._backends[request.model], request, range(count))

    async def outputs(
        self, stage: Stage, model: str, samples: int, strategy: str, upstream: Sequence[Any]
    ) -> list[Any]:
        """The stage's output for each example."""
        run = STRATEGIES.get(strategy)().run
        pairs = zip(self._examples, upstream, strict=True)
        return [await run(StageRun(stage, example, before, model, samples), self.draw) for example, before in pairs]

    async def scores(
        self, stage: Stage, model: str, samples: int, strategy: str, upstream: Sequence[Mapping[str, Any]]
    ) -> Values:
        """The stage's score for each example."""
        outputs = await self.outputs(stage, model, samples, strategy, upstream)
        return np.array([stage.score(output, example) for output, example in zip(outputs, self._examples, strict=True)])

    @property
    def nothing_before(self) -> list[Mapping[str, Any]]:
        """The upstream of a first stage."""
        return [{} for _ in self._examples]


def interval(values: Values) -> tuple[float, float]:
    """The 95% bootstrap interval of the mean."""
    draws = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


async def print_stage(console: Console, recorded: Recorded, stage: Stage, upstream: list[Mapping[str, Any]]) -> None:
    """A row for each model and count: every strategy's mean, and best-of-n against majority."""
    table = Table("stage", "model", "S", *COMPARED, "best-of-n - majority", "95% interval", box=MARKDOWN)
    for model in MODELS:
        for count in SAMPLE_COUNTS:
            by_name = {name: await recorded.scores(stage, model.name, count, name, upstream) for name in COMPARED}
            difference = by_name["best-of-n"] - by_name[REFERENCE]
            low, high = interval(difference)
            star = " *" if low > 0 or high < 0 else ""
            means = [f"{by_name[name].mean():.3f}" for name in COMPARED]
            shown = f"[{low:+.3f}, {high:+.3f}]{star}"
            table.add_row(stage.name, model.name, str(count), *means, f"{difference.mean():+.3f}", shown)
    console.print(table)


async def main() -> None:
    """The command."""
    task, console = recorded_task(), Console(width=200)
    recorded = Recorded(task)
    retrieval, qa = task.stages
    chosen = await recorded.outputs(retrieval, MODELS[-1].name, 1, Single.name, recorded.nothing_before)
    await print_stage(console, recorded, retrieval, recorded.nothing_before)
    await print_stage(console, recorded, qa, [{RETRIEVAL: output} for output in chosen])


if __name__ == "__main__":
    asyncio.run(main())
