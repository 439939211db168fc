"""Tasks from stages: every stage with the same models as candidates and the same strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from environment.backend import Backend
from environment.stage import Example, Stage
from environment.task import Task
from tools.cost import CostModel
from tools.errors import UnknownName
from tools.space import Model, SearchSpace, Subtask

T = TypeVar("T")
Listed = Sequence[T] | Mapping[str, Sequence[T]]
"""What is searched beside the models: a list for every subtask, or lists by subtask; empty: nothing."""


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
    strategies: Listed[str] = (),
    temperatures: Listed[float] = (),
    max_samples: int = 100,
    sample_counts: Sequence[int] | None = None,
    recorded_from: str = "",
    options: Mapping[str, Any] | None = None,
) -> Task:
    """The pipeline of `stages` over the given examples and models.

    `lengths` are the stages' typical (prompt, generation) tokens, which the cost model reads.
    `strategy` is that of subtasks for which `strategies` lists none. Raises InvalidInput on an
    unusable list.
    """
    names = [stage.name for stage in stages]
    strategies_of = by_subtask("strategies", strategies, names)
    temperatures_of = by_subtask("temperatures", temperatures, names)
    subtasks = [
        Subtask(
            stage.name,
            models,
            prompt_tokens=prompt,
            generation_tokens=generation,
            strategies=strategies_of[stage.name],
            temperatures=temperatures_of[stage.name],
        )
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


def by_subtask(field: str, listed: Listed[T], subtasks: Sequence[str]) -> dict[str, Sequence[T]]:
    """The list of each subtask. Raises UnknownName for another subtask."""
    if not isinstance(listed, Mapping):
        return dict.fromkeys(subtasks, listed)
    for name in listed:
        if name not in subtasks:
            raise UnknownName(field, name, subtasks)
    return {name: listed.get(name, ()) for name in subtasks}
