"""Measures what requests took, in tokens and seconds, from samples that were generated."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from statistics import fmean

import numpy as np

from environment.backend import Backend
from environment.executor import runner_of
from environment.memory_store import MemoryStore
from environment.sampler import Ledger, Sampler, SampleSink
from environment.strategy import StageRun, sample_request
from environment.task import Task
from storage.sample import GenerationRequest, Sample
from tools.errors import InvalidInput
from tools.measured import Measured, Measurements
from tools.space import Allocation

DIGITS = 4
"""Significant digits of a measured figure; more would only pretend."""


def measured_recording(task: Task) -> Measurements:
    """What the requests of a recorded task took when they were recorded, for all of its models."""
    return asyncio.run(measure(task, covering(task), MemoryStore(), task.connect()))


async def measure(
    task: Task, allocations: Iterable[Allocation], store: SampleSink, backends: Mapping[str, Backend]
) -> Measurements:
    """What the requests of some allocations took on the search examples.

    The allocations are run once more, to see which stage sends what; all that is needed is taken
    from the store. Without `backends` nothing can be generated. Raises InvalidInput where nothing
    was measured, and what sampling raises.
    """
    sampler = NotingSampler(store, backends)
    free = replace(task, caps=())
    runner = runner_of(free, sampler, math.inf)
    for allocation in allocations:
        await runner.run(allocation, task.search_examples)
    if not sampler.noted:
        raise InvalidInput("measure", "no samples; run trials first")
    found: dict[str, dict[str, Measured]] = {}
    for subtask in task.space.subtasks:
        for model in subtask.by_size:
            noted = sampler.noted.get((subtask.name, model.name))
            if noted:
                found.setdefault(subtask.name, {})[model.name] = _measured(noted, store)
    return Measurements(found)


class NotingSampler(Sampler):
    """Notes for each stage and model the requests that were sent, and whether for samples or for more."""

    def __init__(self, store: SampleSink, backends: Mapping[str, Backend]) -> None:
        super().__init__(store, backends)
        self.noted: dict[tuple[str, str], dict[str, bool]] = {}

    async def draw(
        self, request: GenerationRequest, count: int, ledger: Ledger, run: StageRun | None = None
    ) -> Sequence[Sample]:
        if run is not None:
            is_sampling = request.key == sample_request(run).key
            self.noted.setdefault((run.stage.name, request.model), {})[request.key] = is_sampling
        return await super().draw(request, count, ledger, run)


def covering(task: Task) -> Iterator[Allocation]:
    """Every choice of every subtask once, beside the others' largest model with the most samples."""
    space = task.space
    most = {s.name: s.usual(s.largest).choice(space.max_samples) for s in space.subtasks}
    for subtask in space.subtasks:
        for choice in space.choices(subtask):
            yield Allocation({**most, subtask.name: choice})


def _measured(noted: Mapping[str, bool], store: SampleSink) -> Measured:
    samples = store.fetch(noted)
    requests = {key: list(requests_of(samples[key])) for key in noted if key in samples}
    every = [request for group in requests.values() for request in group]
    sampling = [request for key, group in requests.items() if noted[key] for request in group] or every
    seconds = _seconds(every)
    return Measured(
        prompt_tokens=_rounded(fmean(request[0].prompt_tokens for request in sampling)),
        generation_tokens=_rounded(fmean(sample.generation_tokens for request in sampling for sample in request)),
        per_request=seconds[0],
        per_prompt_token=seconds[1],
        per_token=seconds[2],
        per_step=seconds[3],
        requests=len(every),
        largest=max(len(request) for request in every),
    )


def requests_of(samples: Mapping[int, Sample]) -> Iterator[list[Sample]]:
    """The samples that came together: the first one pays the prompt, all have the request's latency."""
    number = 0

    def request_of(sample: Sample) -> tuple[int, float]:
        nonlocal number
        number += sample.prompt_tokens > 0
        return number, sample.latency

    for _, together in groupby((samples[index] for index in sorted(samples)), request_of):
        yield list(together)


def _seconds(requests: Sequence[Sequence[Sample]]) -> list[float]:
    """The non-negative line of Measured through the requests' seconds, by least squares.

    Where all requests held as many generations, a token of each and a step of all cannot be told
    apart; then steps are left out, so that larger requests are not taken to be free.
    """
    from scipy.optimize import nnls

    sizes = np.array([len(request) for request in requests], dtype=np.float64)
    generated = np.array(
        [sum(sample.generation_tokens for sample in request) for request in requests], dtype=np.float64
    )
    prompts = np.array([request[0].prompt_tokens for request in requests], dtype=np.float64)
    steps = generated / sizes if len(set(sizes)) > 1 else np.zeros_like(sizes)
    seconds = np.array([request[0].latency for request in requests], dtype=np.float64)
    line, _ = nnls(np.column_stack([np.ones_like(sizes), prompts, generated, steps]), seconds)
    return [_rounded(value) for value in line]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
