"""Draws samples through the store: what is known is reused, what is missing is generated once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from weakref import WeakValueDictionary

from environment.backend import Backend, is_free
from environment.fault_notes import FaultNotes, FaultSink
from environment.keeper import Keeper
from environment.spending import Spending
from environment.strategy import StageRun
from environment.turns import ClaimSource, Turns
from storage.sample import GenerationRequest, Sample, SampleSource
from tools.errors import AgentttsError, EndpointError, UnknownName
from tools.trial import Usage


class SampleSink(SampleSource, Protocol):
    """A source that also keeps samples durably; writing one twice keeps the first."""

    def put(self, entries: Iterable[tuple[GenerationRequest, int, Sample]]) -> bool:
        """Keeps samples. Tells whether none of them was there before; False also where that is not known."""
        ...


LOG = logging.getLogger(__name__)

SECONDS_TO_FINISH = 30.0
"""How long requests under way may take to finish when a session stops."""

Stored = Mapping[str, Mapping[int, Sample]]


class Ledger:
    """Counts what one trial needed. `seen` is shared by a session's ledgers: how many samples of each request, by key.

    Draws begin with sample 0, so that numbers say which samples they were.
    """

    def __init__(self, seen: dict[str, int]) -> None:
        self._seen = seen
        self._asked: dict[str, int] = {}
        self._requested = self._fresh = 0
        self._paid = Usage()

    def asked(self, key: str, count: int) -> None:
        """Notes that a trial drew samples 0 to count-1; drawing them again within it is free."""
        asked = self._asked.get(key, 0)
        if count <= asked:
            return
        self._asked[key] = count
        self._requested += count - asked
        seen = self._seen.get(key, 0)
        if count > seen:
            self._seen[key] = count
            self._fresh += count - seen

    @property
    def usage(self) -> Usage:
        """What the trial needed so far."""
        return Usage(requested=self._requested, fresh=self._fresh) + self._paid

    @property
    def draws(self) -> Mapping[str, int]:
        """How many samples of each request the trial drew, by the request's key, in the keys' order."""
        return {key: self._asked[key] for key in sorted(self._asked)}

    def paid(self, samples: Iterable[Sample]) -> None:
        """Notes samples that a backend has just produced."""
        for sample in samples:
            self._paid += Usage(paid=1, prompt_tokens=sample.prompt_tokens, generation_tokens=sample.generation_tokens)


@dataclass(slots=True)
class _Draw:
    request: GenerationRequest
    count: int
    ledger: Ledger
    result: asyncio.Future[Sequence[Sample]]


@dataclass(slots=True)
class _Generation:
    """A running task's draws, and what receives their samples once it is their turn."""

    draws: list[_Draw]
    keeper: Keeper | None = None


class GroupCommit:
    """Writes to a sink so that everything that gathers while one commit runs shares the next.

    It answers with what the sink holds of these samples afterwards: where another process wrote one
    first, that one counts, or two processes would build later prompts on different texts.
    """

    def __init__(self, sink: SampleSink) -> None:
        self._sink = sink
        self._pending: list[tuple[GenerationRequest, int, Sample]] = []
        self._commit: asyncio.Task[Stored] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def save(self, entries: Iterable[tuple[GenerationRequest, int, Sample]]) -> Stored:
        """The stored samples of the entries' keys, once they are on disk. Raises StorageError."""
        self._pending.extend(entries)
        if self._commit is None:
            self._commit = asyncio.get_running_loop().create_task(self._write())
        # A cancelled draw must not cancel a commit that others wait for.
        return await asyncio.shield(self._commit)

    async def _write(self) -> Stored:
        async with self._one_at_a_time:
            batch, self._pending, self._commit = self._pending, [], None
            return await asyncio.to_thread(self._put, batch)

    def _put(self, batch: list[tuple[GenerationRequest, int, Sample]]) -> Stored:
        if not self._sink.put(batch):
            return self._sink.fetch({request.key for request, _, _ in batch})
        stored: dict[str, dict[int, Sample]] = {}
        for request, index, sample in batch:
            stored.setdefault(request.key, {})[index] = sample
        return stored


class Sampler:
    """Serves draws from the store and the backends; belongs to one event loop.

    Draws made in one tick of the loop are read from the store in one batch, and generations that
    finish together are committed together. Samples are on disk as soon as their answer is there,
    whatever becomes of the rest of the draw, and a draw returns only after all of its are.
    Concurrent draws of one request share one generation, those of other workers on the store too
    where there are `claims`.
    """

    def __init__(
        self,
        store: SampleSink,
        backends: Mapping[str, Backend],
        spending: Spending | None = None,
        faults: FaultSink | None = None,
        drawn: Mapping[str, int] | None = None,
        told: Callable[[str, Sequence[Sample]], None] | None = None,
        claims: ClaimSource | None = None,
    ) -> None:
        """`spending` limits what is sent, `faults` remembers what went wrong.

        `drawn` is how many samples of each request the session's earlier processes drew, by the request's key.
        `told` hears of every answer's samples, with their model, once they are on disk.
        """
        self._told = told
        self._turns = None if claims is None else Turns(claims, store)
        self._store = store
        self._backends = backends
        self._spending = spending or Spending()
        self._notes = FaultNotes(faults)
        self._waiting: list[_Draw] = []
        self._commits = GroupCommit(store)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._running: dict[asyncio.Task[Any], _Generation] = {}
        self._seen = dict(drawn or {})

    def ledger(self) -> Ledger:
        """A fresh ledger for one trial."""
        return Ledger(self._seen)

    async def draw(
        self, request: GenerationRequest, count: int, ledger: Ledger, run: StageRun | None = None
    ) -> Sequence[Sample]:
        """Samples 0 to count-1 of a request. `run` says which stage asks, for samplers that take notes.

        Raises EndpointError or MissingSample from the backend, StorageError from the store,
        UnknownName when no backend serves the model, SpendingCapReached where a cap forbids what is
        missing, and past the deadline.
        """
        self._spending.require_open()
        loop = asyncio.get_running_loop()
        ledger.asked(request.key, count)
        draw = _Draw(request, count, ledger, loop.create_future())
        if not self._waiting:
            loop.call_soon(self._start_batch)
        self._waiting.append(draw)
        return await draw.result

    def abandon(self) -> None:
        """Cancels the generations under way, where nobody waits for them any more."""
        for task in self._running:
            task.cancel()

    def stop(self, reason: Exception) -> None:
        """Sends nothing any more: requests under way finish and are stored, draws that need others raise the reason."""
        self._spending.close(reason)
        for task, generation in self._running.items():
            give_up = partial(_give_up, task, generation.draws, reason)
            if generation.keeper is None or not generation.keeper.under_way:
                give_up()
            else:
                generation.keeper.idle = give_up

    async def finish(self, reason: Exception, seconds: float = SECONDS_TO_FINISH) -> None:
        """Stops and waits until what is under way is stored, but not for longer than that; then cuts it off."""
        self.stop(reason)
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        running = list(self._running)
        self.abandon()
        if self._turns is not None:
            self._turns.close()
        await asyncio.gather(*running, return_exceptions=True)
        await self.flush()

    async def wind_down(self, failure: BaseException) -> None:
        """Finishes after a failure. What fails then is logged, since the first failure is what must be told."""
        reason = failure if isinstance(failure, Exception) else AgentttsError("the search was interrupted")
        try:
            await self.finish(reason)
        except AgentttsError as error:
            LOG.warning("not all could be stored at the end: %s", error)

    async def flush(self) -> None:
        """Returns when every fault that was noted and all that was spent is on disk. Raises StorageError."""
        await self._notes.flush()
        await self._spending.flush()

    def _start_batch(self) -> None:
        batch, self._waiting = self._waiting, []
        by_key: dict[str, list[_Draw]] = {}
        for draw in batch:
            by_key.setdefault(draw.request.key, []).append(draw)
        try:
            known = self._store.fetch(by_key)
        except Exception as error:  # noqa: BLE001 - handed to every waiting draw, which raises it
            _fail(batch, error)
            return
        for key, draws in by_key.items():
            samples = known.get(key, {})
            wanting = [draw for draw in draws if not _serve(draw, samples)]
            if wanting:
                task = asyncio.get_running_loop().create_task(self._generate(wanting, samples))
                self._running[task] = _Generation(wanting)
                task.add_done_callback(self._running.pop)

    async def _generate(self, draws: list[_Draw], known: Mapping[int, Sample]) -> None:
        try:
            samples = await self._complete(draws, known)
        except asyncio.CancelledError:
            for draw in draws:
                draw.result.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - handed to every waiting draw, which raises it
            _fail(draws, error)
        else:
            for draw in draws:
                _serve(draw, samples)

    async def _complete(self, draws: list[_Draw], known: Mapping[int, Sample]) -> Mapping[int, Sample]:
        request = draws[0].request
        lock = self._locks.setdefault(request.key, asyncio.Lock())
        contended = lock.locked()
        async with lock:
            samples = dict(self._store.fetch([request.key]).get(request.key, {}) if contended else known)
            count = max(draw.count for draw in draws)
            if all(index in samples for index in range(count)):
                return samples
            backend = self._backend(request.model)
            async with self._turn(backend, request.key, count) as stored:
                samples.update(stored)
                if missing := [index for index in range(count) if index not in samples]:
                    await backend.generate(request, missing, self._keeper(draws, samples))
                    if left_out := [index for index in missing if index not in samples]:
                        raise EndpointError(f"the backend of {request.model} left out the samples {left_out} of a draw")
            return samples

    def _turn(self, backend: Backend, key: str, count: int) -> AbstractAsyncContextManager[Mapping[int, Sample]]:
        if self._turns is None or is_free(backend):
            return nullcontext({})
        return self._turns.of(key, count)

    def _keeper(self, draws: list[_Draw], samples: dict[int, Sample]) -> Keeper:
        """What receives the running task's samples, adds them to those that are known and serves the draws."""

        def keep(produced: Mapping[int, Sample], stored: Mapping[int, Sample]) -> None:
            draws[0].ledger.paid(produced.values())
            if self._told is not None:
                self._told(draws[0].request.model, list(produced.values()))
            samples.update(stored)
            for draw in draws:
                _serve(draw, samples)

        self._spending.require_open()
        keeper = Keeper(draws[0].request, self._commits.save, keep, self._spending, self._notes)
        task = asyncio.current_task()
        if task is not None and task in self._running:
            self._running[task].keeper = keeper
        return keeper

    def _backend(self, model: str) -> Backend:
        try:
            return self._backends[model]
        except KeyError:
            raise UnknownName("model", model, self._backends) from None


def _serve(draw: _Draw, samples: Mapping[int, Sample]) -> bool:
    """Answers a draw if every sample it wants is there."""
    if not all(index in samples for index in range(draw.count)):
        return False
    if not draw.result.done():
        draw.result.set_result([samples[index] for index in range(draw.count)])
    return True


def _give_up(task: asyncio.Task[Any], draws: Iterable[_Draw], reason: Exception) -> None:
    _fail(draws, reason)
    task.cancel()


def _fail(draws: Iterable[_Draw], error: Exception) -> None:
    for draw in draws:
        if not draw.result.done():
            draw.result.set_exception(error)
