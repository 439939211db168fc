"""Which allocations a report follows down to single examples, and what their stored samples show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.judging import BEST
from environment.task import HELD_OUT, SEARCH, Task
from environment.tracing import ExampleTrace, Tracer
from storage.sample import SampleSource
from tools.space import Allocation
from tools.trial import StageScore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.session import Result


@dataclass(frozen=True)
class Wanted:
    """An allocation to follow: its title, its scores on a split, and the positions of the examples to show."""

    title: str
    allocation: Allocation
    split: str
    scores: Mapping[str, StageScore]
    shown: Sequence[int]

    @classmethod
    def of(cls, result: Result, task: Task, trials: Sequence[int], examples: int) -> list[Wanted]:
        """The recommended allocation on the held-out examples, the highest search score, and the `trials`."""
        wanted: list[Wanted] = []
        best, luckiest = result.best_or_none, result.luckiest
        judged = result.evaluation(BEST)
        if best is not None and judged is not None:
            title = f"Recommended allocation (trial {best.number})"
            wanted.append(cls._of(title, judged.allocation, HELD_OUT, judged.stage_scores, task, examples))
        numbers = [*trials]
        if luckiest is not None and not trials and (judged is None or luckiest != best):
            numbers.append(luckiest.number)
        for trial in result.trials:
            if trial.number in numbers:
                top = ", highest search score" if luckiest == trial else ""
                title = f"Trial {trial.number}{top}"
                wanted.append(cls._of(title, trial.allocation, SEARCH, trial.stage_scores, task, examples))
        return wanted

    @classmethod
    def _of(
        cls,
        title: str,
        allocation: Allocation,
        split: str,
        scores: Mapping[str, StageScore],
        task: Task,
        most: int,
    ) -> Wanted:
        values = list(scores.values())[-1].per_example if scores else ()
        count = len(task.examples(split))
        return cls(title, allocation, split, scores, chosen(values if len(values) == count else (0.0,) * count, most))

    @property
    def per_example(self) -> Sequence[float]:
        """The main metric of every example of the split; empty where it is not known."""
        return list(self.scores.values())[-1].per_example if self.scores else ()


@dataclass(frozen=True)
class AllocationTraces:
    """What was wanted, and the trace of each example that is shown, by its position."""

    wanted: Wanted
    ids: Sequence[str]
    traces: Mapping[int, ExampleTrace]


def chosen(scores: Sequence[float], most: int) -> list[int]:
    """The positions of up to `most` examples, rising: half of them with the lowest scores, half with the highest."""
    if len(scores) <= most:
        return list(range(len(scores)))
    by_score = sorted(range(len(scores)), key=lambda place: (scores[place], place))
    low = (most + 1) // 2
    return sorted([*by_score[:low], *by_score[len(by_score) - (most - low) :]])


async def traced(task: Task, source: SampleSource, wanted: Sequence[Wanted]) -> list[AllocationTraces]:
    """Follows each allocation through the examples that are to be shown."""
    tracer = Tracer(task, source)
    found = []
    for one in wanted:
        examples = task.examples(one.split)
        traces = {place: await tracer.trace(one.allocation, examples[place]) for place in one.shown}
        found.append(AllocationTraces(one, [str(example.id) for example in examples], traces))
    return found
