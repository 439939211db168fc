"""A worker: runs its examples of every trial in a process of its own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace

from environment.backend import Backend, Shared, close_all
from environment.cluster.job import Job
from environment.executor import runner_of
from environment.sampler import Sampler
from environment.session_sampler import session_sampler
from environment.side_by_side import side_by_side
from environment.stage import Example
from environment.task import Task
from environment.trial_runner import Outcome, TrialRunner
from storage.database import Database
from storage.lease import Lease
from storage.sample import Sample, most_drawn
from tools.errors import AgentttsError
from tools.space import Allocation
from tools.trial import Usage

EXAMPLES_AT_ONCE = 32
"""Examples side by side in a worker where the task has a runner of its own: a graph's holds threads for as many."""


@dataclass(frozen=True, slots=True)
class ExampleScore:
    """A stage's metric and its value for one example."""

    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class Share:
    """What a worker's examples of one trial gave.

    `scores` hold the stages that each example reached, in the examples' order. `draws` is how many
    samples of each request they drew, `usage` the sum of what each of them counted alone. `generated`
    are the samples that came in since the worker's last share, by model and without their texts.
    """

    scores: tuple[Mapping[str, ExampleScore], ...]
    draws: Mapping[str, int]
    usage: Usage
    generated: Mapping[str, Sequence[Sample]]


class Worker:
    """Part `part` (from 0) of `parts`; all calls come from one event loop, several trials at a time.

    An example always goes to the same worker, so that what two trials want of it at the same time is
    generated once. A worker that is made anew after a loss opens everything again, and finds in the
    store what the lost one had generated. Errors that callers tell apart are returned, not raised,
    since a cluster wraps what is raised.
    """

    def __init__(self, job: Job, part: int, parts: int) -> None:
        self._job = job
        self._part = part
        self._parts = parts
        self._opening = asyncio.Lock()
        self._open: _Open | None = None

    async def open(self) -> AgentttsError | None:
        """Loads the task, opens the database and connects the backends. Gives what makes that impossible."""
        try:
            await self._opened()
        except AgentttsError as error:
            return error
        return None

    async def run(
        self, session_id: str, allocation: Allocation, split: str, places: Sequence[int]
    ) -> Share | AgentttsError:
        """Scores an allocation, which fits the budget, on the examples at these places of a split.

        `session_id` names the account that pays, the same one every time.
        """
        try:
            opened = await self._opened()
            runner = opened.runner(session_id)
            examples = [opened.task.examples(split)[place] for place in places]
            outcomes = await side_by_side(opened.run(runner, allocation, example) for example in examples)
            await opened.flush()
        except AgentttsError as error:
            return error
        return share_of(outcomes, opened.take_generated())

    async def close(self) -> None:
        """Lets the requests under way finish, stores what they bring, and releases everything."""
        opened, self._open = self._open, None
        if opened is not None:
            await opened.close()

    async def _opened(self) -> _Open:
        async with self._opening:
            if self._open is None:
                self._open = _Open.of(self._job, self._part, self._parts)
            return self._open


@dataclass
class _Open:
    task: Task
    backends: Mapping[str, Backend]
    database: Database
    gate: asyncio.Semaphore | None
    generated: dict[str, list[Sample]] = field(default_factory=dict)
    _sampler: Sampler | None = None
    _held: ExitStack = field(default_factory=ExitStack)
    _runner: TrialRunner | None = None

    @classmethod
    def of(cls, job: Job, part: int, parts: int) -> _Open:
        # The driver checks budget and caps; in its unit, which may not be the loaded task's.
        task = replace(job.load(), caps=())
        database = job.open_database()
        backends = task.connect()
        for backend in set(backends.values()):
            if isinstance(backend, Shared):
                backend.share(part, parts)
        return cls(task, backends, database, asyncio.Semaphore(EXAMPLES_AT_ONCE) if task.runner else None)

    def runner(self, session_id: str) -> TrialRunner:
        if self._runner is None:
            # A worker of the session like any other: what it holds is free once it is lost.
            worker = self._held.enter_context(Lease(self.database, session_id)).worker.id
            self._sampler = session_sampler(
                self.task, self.database, session_id, worker, self.backends, told=self._told
            )
            self._runner = runner_of(self.task, self._sampler, math.inf)
        return self._runner

    async def run(self, runner: TrialRunner, allocation: Allocation, example: Example) -> Outcome:
        async with self.gate or nullcontext():
            return await runner.run(allocation, [example])

    async def flush(self) -> None:
        if self._sampler is not None:
            await self._sampler.flush()

    def _told(self, model: str, samples: Sequence[Sample]) -> None:
        self.generated.setdefault(model, []).extend(replace(sample, text="") for sample in samples)

    def take_generated(self) -> dict[str, list[Sample]]:
        taken = dict(self.generated)
        self.generated.clear()
        return taken

    async def close(self) -> None:
        if self._sampler is not None:
            await self._sampler.wind_down(AgentttsError("the session stops"))
        await close_all(self.backends)
        self._held.close()
        self.database.close()


def share_of(outcomes: Sequence[Outcome], generated: Mapping[str, Sequence[Sample]]) -> Share:
    """What runs of single examples, in order, gave together."""
    scores = tuple(
        {name: ExampleScore(score.metric, score.mean) for name, score in outcome.stage_scores.items()}
        for outcome in outcomes
    )
    return Share(
        scores,
        most_drawn(outcome.draws for outcome in outcomes),
        sum((outcome.usage for outcome in outcomes), Usage()),
        generated,
    )
