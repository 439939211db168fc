"""Examples for a page: prompt, samples, what became of them and the gold answer, bounded in size."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from agent.reporting.traces import AllocationTraces
from environment.pipelines.values import thawed
from environment.task import Task
from environment.tracing import ExampleTrace, TracedDraw
from tools.space import Allocation
from tools.text import visible

MOST_CHARACTERS = 4000
"""Of one text; a report of long documents would not open."""
MOST_DISTINCT = 12
"""Different samples of one request that are shown."""
SHORT = 280
"""Characters up to which a field of an example is shown without unfolding it."""


@dataclass(frozen=True)
class Text:
    """A text of others, cut to a bearable length; `left_out` counts its further characters."""

    shown: str
    left_out: int = 0

    @property
    def long(self) -> bool:
        """Whether it is folded away at first."""
        return len(self.shown) > SHORT or self.shown.count("\n") > 4


@dataclass(frozen=True)
class SampleView:
    """Equal samples of one request: their text and how many there are."""

    text: Text
    count: int
    note: str


@dataclass(frozen=True)
class DrawView:
    """One request with its samples. `distinct_left_out` counts different samples that are not shown."""

    title: str
    messages: Sequence[tuple[str, Text]]
    samples: Sequence[SampleView]
    distinct_left_out: int


@dataclass(frozen=True)
class StageView:
    """A subtask on an example: what it ran, its draws, its output and its score, where one is known."""

    name: str
    choice: str
    output: Text | None
    score: float | None
    metric: str
    draws: Sequence[DrawView]


@dataclass(frozen=True)
class ExampleView:
    """One example: `fields` hold the question and its gold answer as the task has them."""

    id: str
    anchor: str
    score: float | None
    question: str
    fields: Sequence[tuple[str, Text]]
    stages: Sequence[StageView]
    missing: str


@dataclass(frozen=True)
class Cell:
    """One example in the strip of all of them; `anchor` leads to it where it is shown."""

    id: str
    score: float
    anchor: str


@dataclass(frozen=True)
class AllocationView:
    """An allocation with the strip of all its examples and the shown ones."""

    title: str
    allocation: str
    split: str
    metric: str
    total: int
    strip: Sequence[Cell]
    examples: Sequence[ExampleView]


def allocation_views(task: Task, traces: Sequence[AllocationTraces]) -> list[AllocationView]:
    """The traces for a page."""
    return [_allocation_view(task, one, place) for place, one in enumerate(traces)]


def _allocation_view(task: Task, traces: AllocationTraces, place: int) -> AllocationView:
    wanted = traces.wanted
    anchors = {at: f"example-{place}-{at}" for at in traces.traces}
    per_example = wanted.per_example if len(wanted.per_example) == len(traces.ids) else ()
    examples = []
    for at, trace in traces.traces.items():
        scores = {
            name: (score.per_example[at], score.metric)
            for name, score in wanted.scores.items()
            if len(score.per_example) == len(traces.ids)
        }
        examples.append(_example_view(task, wanted.allocation, trace, scores, anchors[at]))
    return AllocationView(
        wanted.title,
        str(wanted.allocation),
        wanted.split,
        list(wanted.scores.values())[-1].metric if wanted.scores else "",
        len(traces.ids),
        [Cell(traces.ids[at], score, anchors.get(at, "")) for at, score in enumerate(per_example)],
        examples,
    )


def _example_view(
    task: Task, allocation: Allocation, trace: ExampleTrace, scores: Mapping[str, tuple[float, str]], anchor: str
) -> ExampleView:
    stages = []
    for name, choice in allocation.items():
        draws = [draw for draw in trace.draws if draw.subtask == name]
        if not draws and name not in trace.outputs:
            continue
        score, metric = scores.get(name, (None, ""))
        output = text(as_text(trace.outputs[name])) if name in trace.outputs else None
        strategy = choice.strategy or task.strategies[name]
        views = [_draw_view(draw, first=place == 0) for place, draw in enumerate(draws)]
        stages.append(StageView(name, f"{choice} · {strategy}", output, score, metric, views))
    values = example_fields(trace.example)
    last = list(allocation)[-1]
    first_line = " ".join(as_text(next(iter(values.values()), "")).split())
    return ExampleView(
        str(trace.example.id),
        anchor,
        scores[last][0] if last in scores else None,
        visible(first_line[:140]),
        [(name, text(as_text(value))) for name, value in values.items()],
        stages,
        trace.missing,
    )


def _draw_view(draw: TracedDraw, *, first: bool) -> DrawView:
    counted = Counter(sample.text for sample in draw.samples)
    notes = {sample.text: sample.finish_reason for sample in draw.samples if sample.finish_reason != "stop"}
    shown = counted.most_common(MOST_DISTINCT)
    number, sampling = len(draw.samples), draw.request.sampling
    kind = f"{number} sample{'s' * (number > 1)}" if first else f"asked after that, {number} answer{'s' * (number > 1)}"
    return DrawView(
        f"{kind} at temperature {sampling.temperature:g}",
        [(message.role, text(message.content)) for message in draw.request.messages],
        [SampleView(text(words), count, notes.get(words, "")) for words, count in shown],
        len(counted) - len(shown),
    )


def text(value: str, most: int = MOST_CHARACTERS) -> Text:
    """A text for a page, with its end left out where it is long."""
    return Text(visible(value[:most]), max(0, len(value) - most))


def example_fields(example: Any) -> dict[str, Any]:
    """What an example holds but for its id, by name."""
    if isinstance(example, Mapping):
        return {str(name): value for name, value in example.items() if name != "id"}
    if is_dataclass(example):
        return {f.name: getattr(example, f.name) for f in fields(example) if f.name != "id"}
    return {name: value for name, value in vars(example).items() if name != "id" and not name.startswith("_")}


def as_text(value: Any) -> str:
    """A value of a task as text: itself, a list of short things line by line, else JSON."""
    if value is None:
        return "nothing that could be read"
    if isinstance(value, str):
        return value
    if isinstance(value, tuple | list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    try:
        return json.dumps(thawed(value), ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        return str(value)
