"""Tasks from stages: every stage with the same models as candidates and the same strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from environment.backend import Backend
from environment.task import Example, Stage, Task
from tools.cost import CostModel
from tools.space import Model, SearchSpace, Subtask


@dataclass(frozen=True, slots=True)
class Split:
    """Examples that judge trials, and others that judge the result."""

    search: Sequence[Example]
    held_out: Sequence[Example]


def pipeline_task(
    name: str,
    description: str,
    stages: Sequence[Stage],
    lengths: Sequence[tuple[int, int]],
    split: Split,
    models: Sequence[Model],
    connect: Callable[[], Mapping[str, Backend]],
    *,
    cost: CostModel,
    strategy: str = "fusion",
    max_samples: int = 100,
    sample_counts: Sequence[int] | None = None,
    recorded_from: str = "",
    options: Mapping[str, Any] | None = None,
) -> Task:
    """The pipeline of `stages` over the given examples and models.

    `lengths` are the stages' typical (prompt, generation) tokens, which the cost model reads.
    """
    subtasks = [
        Subtask(stage.name, models, prompt_tokens=prompt, generation_tokens=generation)
        for stage, (prompt, generation) in zip(stages, lengths, strict=True)
    ]
    return Task(
        name=name,
        description=description,
        stages=tuple(stages),
        space=SearchSpace(subtasks, max_samples, sample_counts=sample_counts),
        cost=cost,
        search_examples=split.search,
        held_out_examples=split.held_out,
        strategies={stage.name: strategy for stage in stages},
        connect=connect,
        recorded_from=recorded_from,
        options=dict(options or {}),
    )
