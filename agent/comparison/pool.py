"""Runs a plan's problems over processes; the results do not depend on how many."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from queue import Empty, SimpleQueue
from threading import Thread, current_thread, main_thread

from agent.comparison.arena import Arena
from agent.comparison.opening import draw_of, open_arena
from agent.comparison.plan import Cell, Plan
from agent.comparison.record import Run
from agent.comparison.run import Interrupted, failed_runs, run_cell

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Read by numerical libraries when they are loaded: a process for every processor leaves none for threads."""
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a comparison is, in runs."""

    done: int
    total: int
    failed: int


Report = Callable[[Progress], None]


def run_plan(plan: Plan, workers: int, report: Report) -> list[Run]:
    """Every run of the plan, in the plan's order.

    With one worker everything runs in this process. A run that fails, or whose process dies, is
    returned with its error. KeyboardInterrupt ends the workers at their next trial and is raised.
    """
    cells = list(plan.cells)
    runs: dict[Cell, list[Run]] = {}
    done = failed = 0
    report(Progress(done, plan.runs, failed))
    with closing(_in_turn(plan, cells) if workers == 1 else _in_parallel(plan, cells, workers)) as results:
        for cell, found in results:
            runs[cell] = found
            done += len(found)
            failed += sum(bool(run.error) for run in found)
            report(Progress(done, plan.runs, failed))
    return [run for cell in cells for run in runs[cell]]


def available_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_turn(plan: Plan, cells: Sequence[Cell]) -> Generator[tuple[Cell, list[Run]]]:
    worker = _Worker(plan)
    for cell in cells:
        yield cell, worker.run(cell)


def _in_parallel(plan: Plan, cells: Sequence[Cell], workers: int) -> Generator[tuple[Cell, list[Run]]]:
    waiting = list(cells)
    while waiting:
        done: set[Cell] = set()
        for cell, found in _pooled(plan, waiting, workers):
            if isinstance(found, list):
                done.add(cell)
                yield cell, found
        # A process that dies takes its pool along, and none says what it worked on. It was one of the
        # first: each of these gets a pool of its own, and the others go on together.
        waiting = [cell for cell in waiting if cell not in done]
        suspects, waiting = waiting[: 2 * workers + 1], waiting[2 * workers + 1 :]
        for suspect in suspects:
            for cell, found in _pooled(plan, [suspect], 1):
                yield cell, found if isinstance(found, list) else failed_runs(plan, cell, found)


def _pooled(plan: Plan, cells: Sequence[Cell], workers: int) -> Generator[tuple[Cell, list[Run] | BrokenProcessPool]]:
    # Spawned everywhere: a fork would copy threads and locks, and behave otherwise on other systems.
    context = get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(min(workers, len(cells)), context, _start_worker, (plan, stop))
    finished: SimpleQueue[Future[list[Run]]] = SimpleQueue()
    try:
        with _interrupts_noted() as interrupts:
            with _one_thread_each(), _deaf_to_interrupts():
                # The first submission starts the processes, which inherit both.
                futures = {pool.submit(_work, cell): cell for cell in cells}
            for future in futures:
                future.add_done_callback(finished.put)
            for _ in futures:
                future = _next(finished, interrupts)
                try:
                    yield futures[future], future.result()
                except BrokenProcessPool as death:
                    yield futures[future], death
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _next(finished: SimpleQueue[Future[list[Run]]], interrupts: Sequence[int]) -> Future[list[Run]]:
    while not interrupts:
        with suppress(Empty):
            return finished.get(timeout=POLL_SECONDS)
    raise KeyboardInterrupt


class _Worker:
    """Runs problems one after the other and keeps the arenas they share."""

    def __init__(self, plan: Plan, stop: Event | None = None) -> None:
        self._plan = plan
        self._stop = stop
        # A recorded arena serves all seeds, a simulated one all budgets of its draw.
        self._arena: Callable[[int, int | None], Arena] = lru_cache(maxsize=4)(partial(open_arena, plan))

    def run(self, cell: Cell) -> list[Run]:
        """The runs of a problem. Raises Interrupted alone."""
        try:
            arena = self._arena(cell.task, draw_of(self._plan.tasks[cell.task], cell.seed))
            return run_cell(self._plan, cell, arena, self._stopped)
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - becomes the runs' error; the other problems go on
            return failed_runs(self._plan, cell, error)

    def _stopped(self) -> bool:
        return self._stop is not None and self._stop.is_set()


_workers: list[_Worker] = []
"""The worker of this process: a pool hands its processes nothing but tasks after their start."""


def _start_worker(plan: Plan, stop: Event) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _workers[:] = [_Worker(plan, stop)]


def _end_with_parent() -> None:
    """A killed parent closes no pool: without this its workers would wait for tasks forever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(cell: Cell) -> list[Run]:
    return _workers[0].run(cell)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started inside use one thread each in numerical libraries."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started inside do not hear Ctrl-C, which reaches the whole group: the parent tells them to stop."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _interrupts_noted() -> Iterator[Sequence[int]]:
    """Ctrl-C is noted and not raised: an exception in the middle of a pool's locks would leave them locked."""
    noted: list[int] = []
    if current_thread() is not main_thread():  # which alone may set handlers, and alone is interrupted
        yield noted
        return
    before = signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
