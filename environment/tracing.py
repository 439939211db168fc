"""What an allocation did on an example, read again from stored samples; nothing is generated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from environment.allocated import outputs_of
from environment.backend import Backend
from environment.backends.replay_backend import ReplayBackend
from environment.sampler import Sampler
from environment.stage import Example
from environment.strategy import StageRun
from environment.task import Task
from storage.sample import GenerationRequest, Sample, SampleSource
from tools.errors import AgentttsError
from tools.space import Allocation


@dataclass(frozen=True, slots=True)
class TracedDraw:
    """Samples that a subtask drew of one request: its own samples first, then what its strategy asked beside them."""

    subtask: str
    request: GenerationRequest
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class ExampleTrace:
    """An allocation on one example: every draw in its order, and the outputs of the subtasks that were reached.

    `missing` says why the trace ends early, where it does.
    """

    example: Example
    draws: tuple[TracedDraw, ...]
    outputs: Mapping[str, Any]
    missing: str = ""


class _StoreOnly:
    """A source as a SampleSink: nothing is generated, so that nothing is ever to be kept."""

    def __init__(self, source: SampleSource) -> None:
        self._source = source

    def fetch(self, keys: Iterable[str]) -> Mapping[str, Mapping[int, Sample]]:
        return self._source.fetch(keys)

    def put(self, entries: Iterable[tuple[GenerationRequest, int, Sample]]) -> bool:
        """Delivered samples are already stored."""
        return False


class Tracer:
    """Runs a task's own stages and strategies over the samples in a source; belongs to one event loop.

    Prompts are written anew, so that a task that has changed finds no samples under them.
    """

    def __init__(self, task: Task, source: SampleSource) -> None:
        self._task = task
        replay = ReplayBackend(source, "the sample store", "nothing is generated for a report")
        backends: defaultdict[str, Backend] = defaultdict(lambda: replay)
        self._sampler = Sampler(_StoreOnly(source), backends)

    async def trace(self, allocation: Allocation, example: Example) -> ExampleTrace:
        """The trace of a valid allocation; what is not stored, or fails now, ends it and is said in `missing`."""
        draws: list[TracedDraw] = []
        outputs: dict[str, Any] = {}
        ledger = self._sampler.ledger()

        async def draw(request: GenerationRequest, count: int, run: StageRun) -> Sequence[Sample]:
            samples = await self._sampler.draw(request, count, ledger, run=run)
            draws.append(TracedDraw(run.stage.name, request, tuple(samples)))
            outputs.update(run.upstream)
            return samples

        try:
            output, reached = await outputs_of(self._task, allocation, example, self._sampler, draw)
        except AgentttsError as error:
            return ExampleTrace(example, tuple(draws), outputs, str(error))
        last = self._task.space.subtasks[-1].name
        return ExampleTrace(example, tuple(draws), {**reached, last: output})
