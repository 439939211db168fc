"""A pipeline at work: one allocation answers questions that nobody has the answer to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

from environment.backend import Backend, close_all
from environment.loading import load_task
from environment.memory_store import MemoryStore
from environment.pipelines.loading import as_task
from environment.pipelines.searchable import SearchablePipeline
from environment.pipelines.values import Row, frozen, thawed
from environment.sampler import Ledger, Sampler
from environment.strategy import STRATEGIES, DrawForRun, StageRun
from environment.task import Task
from storage.sample import GenerationRequest, Sample
from tools.declared import names_misfits
from tools.errors import InvalidInput
from tools.space import Allocation
from tools.text import shortened
from tools.trial import Usage
from tools.validation import require_plain


@dataclass(frozen=True, slots=True)
class StageTrace:
    """What one stage did for an answer; `seconds` reach from its first request to its last."""

    subtask: str
    model: str
    samples: int
    strategy: str
    output: Any
    usage: Usage
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The last stage's output, and how it came about."""

    output: Any
    trace: tuple[StageTrace, ...]

    @property
    def text(self) -> str:
        """The output as text: itself, else as JSON; empty where nothing could be read."""
        if self.output is None:
            return ""
        return self.output if isinstance(self.output, str) else json.dumps(thawed(self.output), default=str)

    @property
    def usage(self) -> Usage:
        """The sum over all stages."""
        return sum((stage.usage for stage in self.trace), Usage())


class Allocated:
    """A task with a fixed allocation; an asynchronous context that holds its connections.

    Nothing is stored. The same question gives the same answer where the models' servers take seeds.
    """

    def __init__(self, task: Task, allocation: Allocation) -> None:
        """Raises InvalidAllocation for one that is not of the task's space, InvalidInput for a simulated task."""
        if task.simulated:
            raise InvalidInput("task", f"{task.name} is simulated: there is no model that could answer")
        self.task = task
        self.allocation = task.space.validate(allocation)
        self._backends: Mapping[str, Backend] | None = None

    async def __aenter__(self) -> Self:
        self._backends = self.task.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        await close_all(self._backends or {})
        self._backends = None

    def ask(self, question: Mapping[str, Any]) -> Answer:
        """The answer to a question, given as an example's fields, for programs without an event loop."""

        async def once() -> Answer:
            async with self:
                return await self.answer(question)

        return asyncio.run(once())

    async def answer(self, question: Mapping[str, Any]) -> Answer:
        """The answer to a question, given as an example's fields.

        Raises InvalidInput for fields that no example has, PipelineError where the pipeline's own
        code fails, EndpointError or MissingSample where a generation cannot be had.
        """
        if self._backends is None:
            raise InvalidInput("pipeline", "is not connected: use it as `async with`, or call ask()")
        example = example_of(self.task, question)
        notes = _Notes(Sampler(MemoryStore(), self._backends))
        try:
            output, outputs = await outputs_of(self.task, self.allocation, example, notes.sampler, notes.draw)
        finally:
            notes.sampler.abandon()
        reached = [subtask.name for subtask in self.task.space.subtasks if subtask.name in outputs]
        return Answer(output, tuple(self._trace(name, outputs[name], notes) for name in reached))

    def _trace(self, subtask: str, output: Any, notes: _Notes) -> StageTrace:
        choice = self.allocation[subtask]
        ledger, first, last = notes.stages[subtask]
        return StageTrace(
            subtask, choice.model, choice.samples, self._strategy(subtask), output, ledger.usage, last - first
        )

    def _strategy(self, subtask: str) -> str:
        return self.allocation[subtask].strategy or self.task.strategies[subtask]


@names_misfits
def allocated(
    task: str | Task | SearchablePipeline, allocation: Allocation | Mapping[str, Mapping[str, Any]], **options: Any
) -> Allocated:
    """A task by name (with its options), or a pipeline, with an allocation, also as plain values.

    Raises UnknownName, InvalidInput.
    """
    found = load_task(task, **options) if isinstance(task, str) else as_task(task)
    parsed = allocation if isinstance(allocation, Allocation) else found.space.parse(allocation)
    return Allocated(found, parsed)


async def outputs_of(
    task: Task, allocation: Allocation, example: Any, sampler: Sampler, draw: DrawForRun
) -> tuple[Any, Mapping[str, Any]]:
    """The pipeline's output on an example, and the output of each subtask that was reached; nothing is judged.

    Every sample is drawn by `draw`, from the `sampler`. Raises InvalidInput for a task whose own runner
    only scores, and what drawing and the pipeline's own code raise.
    """
    if task.runner is not None:
        from environment.graphs.runner import GraphRunner

        runner = task.runner(task, sampler, math.inf)
        if not isinstance(runner, GraphRunner):
            raise InvalidInput("task", f"{task.name} has a runner of its own that only scores examples")
        output, call = await runner.output(allocation, example, draw)
        return output, call.outputs
    upstream: dict[str, Any] = {}
    for stage in task.stages:
        choice = allocation[stage.name]
        run = StageRun(stage, example, dict(upstream), choice.model, choice.samples, choice.temperature)
        await stage.prepare(example, upstream)
        strategy = STRATEGIES.get(choice.strategy or task.strategies[stage.name])()
        upstream[stage.name] = await strategy.run(run, partial(draw, run=run))
    return upstream[task.stages[-1].name], upstream


class _Notes:
    """Draws through a sampler and notes what each stage drew, and when."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self.stages: dict[str, tuple[Ledger, float, float]] = {}

    async def draw(self, request: GenerationRequest, count: int, run: StageRun) -> Sequence[Sample]:
        name, now = run.stage.name, time.perf_counter()
        ledger, first, _ = self.stages.setdefault(name, (self.sampler.ledger(), now, now))
        samples = await self.sampler.draw(request, count, ledger, run=run)
        self.stages[name] = ledger, first, time.perf_counter()
        return samples


def example_of(task: Task, question: Mapping[str, Any]) -> Any:
    """An example of the task's own kind with these fields; what only a gold answer needs may be left out.

    Raises InvalidInput for a field that the task's examples do not have.
    """
    if not isinstance(question, Mapping) or not all(isinstance(name, str) for name in question):
        raise InvalidInput("question", f"must be an object of an example's fields, got {shortened(question)}")
    first: Any = task.search_examples[0]
    known = question_fields(task)
    if strange := sorted(set(question) - set(known)):
        raise InvalidInput(strange[0], f"is no field of the examples; they have: {', '.join(known)}")
    require_plain("question", question)
    values = {name: frozen(value) for name, value in question.items()}
    digest = hashlib.sha256(json.dumps(question, sort_keys=True, default=str).encode()).hexdigest()
    if isinstance(first, Row):
        return _Question(f"question-{digest[:12]}", values)
    if is_dataclass(first) and not isinstance(first, type):
        # What is left out is empty, of the kind that the task's own examples hold.
        empty = {name: type(getattr(first, name))() for name in known}
        for name, value in values.items():
            if not _alike(value, like := getattr(first, name)):
                raise InvalidInput(name, f"must be like {shortened(thawed(like))}, got {shortened(question[name])}")
        return type(first)(**{**empty, **values, "id": f"question-{digest[:12]}"})
    raise InvalidInput("task", f"{task.name}: an example of {type(first).__name__} cannot be made of fields")


def _alike(value: Any, like: Any) -> bool:
    """Whether a question's value is of the kind that an example holds, lists with their items."""
    if isinstance(value, tuple) and isinstance(like, tuple):
        return not like or all(_alike(item, like[0]) for item in value)
    return type(value) is type(like)


class _Question(Row):
    """A row that says which field it lacks."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        if name not in self.fields:
            raise InvalidInput(name, "is missing in the question: the pipeline asks for it")
        return self.fields[name]

    def __contains__(self, name: object) -> bool:
        return name in self.fields

    def get(self, name: str, default: Any = None) -> Any:
        return self.fields.get(name, default)


def question_fields(task: Task) -> list[str]:
    """The fields of the task's examples but for their id."""
    first: Any = task.search_examples[0]
    if isinstance(first, Mapping):
        return [str(name) for name in first if name != "id"]
    return [field.name for field in fields(first) if field.name != "id"] if is_dataclass(first) else []
