"""What a process does for a session: one leads and decides, every one runs trials."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from agent.checkpoints import checkpointer
from agent.judging import Judge
from agent.loop import POLL_SECONDS, Observer, SearchLoop
from agent.metering import SessionMeter
from agent.search import Search
from agent.trial_queue import TrialQueue
from environment.execution import Begun, Execution
from environment.long_lived import spared_by_collections
from environment.side_by_side import side_by_side
from environment.spending import Spending
from environment.task import Task
from environment.trial_runner import TrialRunner
from storage.archive import Archive
from storage.database import Database
from storage.lease import Lease
from storage.sample import Sample
from storage.session import SessionRecord, SessionState
from storage.spending import SessionSpending
from storage.workers import LEASE_SECONDS, Worker, Workers
from tools.errors import InvalidInput, SessionLocked, SpendingCapReached, StorageError
from tools.history import completed
from tools.spending import SpendingCaps


class SessionObserver(Observer, Protocol):
    """Also told when the session begins, of samples as they come in, and when the judging of its result begins."""

    def session_started(self, record: SessionRecord, task: Task, search: Search) -> None: ...

    def samples_generated(self, model: str, samples: Sequence[Sample]) -> None: ...

    def judging_started(self) -> None: ...


async def take_part(
    record: SessionRecord,
    task: Task,
    build: Callable[[], Search],
    database: Database,
    execution: Execution,
    observer: SessionObserver | None,
    caps: SpendingCaps = SpendingCaps(),  # noqa: B008 - it is frozen
    lease: float = LEASE_SECONDS,
) -> None:
    """Works on a session beside whoever else does, until it is complete.

    `build` makes a search that nothing was told yet, for each time that this process takes the lead.
    Each of the `caps` that is set replaces the session's own. `lease` is in seconds. Raises what
    searching and judging raise, and SpendingCapReached; by then requests under way have finished, and
    where this process led, the session says how it ended.
    """
    archive = Archive(database)
    with Lease(database, record.id, lease) as held:
        await _until_stopped(held)
        worker = held.worker
        account = SessionSpending(database, record.id, worker.id, caps)
        begun = begun_by(record.id, archive, worker, observer.samples_generated if observer else None)
        try:
            async with execution.runner(begun) as runner:
                with spared_by_collections():
                    await _Participation(record, task, build, database, observer, worker, runner, account).run()
        except SpendingCapReached as error:
            # By now what was under way is counted.
            reached = SpendingCapReached(error.cap, str(archive.spending(record.id).spent), record.id)
            if archive.session(record.id).problem == str(error):
                archive.set_state(record.id, SessionState.INTERRUPTED, str(reached))
            raise reached from error


def begun_by(
    session_id: str, archive: Archive, worker: Worker, told: Callable[[str, Sequence[Sample]], None] | None = None
) -> Begun:
    """What a session did before this worker came; `told` follows what it generates from now on."""
    tried = [trial.allocation for trial in completed(archive.trials(session_id))]
    return Begun(tried, archive.drawn(session_id), told, session_id, worker.id)


async def _until_stopped(held: Lease) -> None:
    """Waits for those who were asked to leave the session before; from then on this process is asked too."""
    task = asyncio.current_task()
    if task is None:
        return
    workers, session_id = held.workers, held.worker.session_id
    while workers.is_stopping(session_id) and len(workers.of(session_id)) > 1:
        await asyncio.sleep(POLL_SECONDS)
    held.on_stop = partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)


def require_prices(task: Task, search: Search, caps: SpendingCaps) -> None:
    """Raises InvalidInput where a cap on dollars would count nothing."""
    if caps.max_dollars is not None and not task.priced_models and not search.searcher.paid_model:
        raise InvalidInput(
            "max_dollars",
            f"nothing that {task.name} sends has a price, so no dollar would be counted; "
            "give its live models prompt_price and generation_price",
        )


class _Participation:
    """One worker's part in a session."""

    def __init__(
        self,
        record: SessionRecord,
        task: Task,
        build: Callable[[], Search],
        database: Database,
        observer: SessionObserver | None,
        worker: Worker,
        runner: TrialRunner,
        account: SessionSpending,
    ) -> None:
        self._record = record
        self._task = task
        self._build = build
        self._database = database
        self._observer = observer
        self._worker = worker
        self._runner = runner
        self._workers = Workers(database)
        self._account = account
        self._archive = Archive(database, worker.id, account)
        self._queue = TrialQueue(record.id, task, runner, self._archive)
        self._announced = False
        self._untold: Search | None = None

    async def run(self) -> None:
        """Leads where nobody does, else follows who leads, until the session is complete."""
        while not self._is_complete():
            if self._workers.take_lead(self._worker):
                # This process may have been silent for so long that others went on without it.
                with suppress(SessionLocked):
                    await self._lead()
            elif self._workers.is_stopping(self._record.id):
                await asyncio.sleep(POLL_SECONDS)  # until this process is told too
            else:
                await self._follow()

    async def _lead(self) -> None:
        """Decides and judges. Raises SessionLocked where another process took the lead meanwhile."""
        try:
            await self._search_and_judge()
        except SessionLocked:
            raise
        except (asyncio.CancelledError, KeyboardInterrupt):
            self._end(SessionState.INTERRUPTED)
            raise
        except SpendingCapReached as error:
            self._end(SessionState.INTERRUPTED, str(error))
            raise
        except Exception as error:
            self._end(SessionState.FAILED, str(error))
            raise
        self._archive.set_state(self._record.id, SessionState.COMPLETE)

    async def _search_and_judge(self) -> None:
        record, archive = self._record, self._archive
        search, self._untold = self._untold or self._build(), None
        search.searcher.metered(SessionMeter(Spending(self._account), asyncio.get_running_loop()))
        config = record.config
        loop = SearchLoop(record.id, search, self._queue, archive, config.trials, config.batch, self._observer)
        loop.restore(archive.trials(record.id))
        self._announce(search)
        async with checkpointer(self._database, record.id) as checkpoints:
            await loop.run(checkpoints)
        if self._observer:
            self._observer.judging_started()
        await Judge(record.id, self._task, search, self._runner, archive).run(front=config.front)

    async def _follow(self) -> None:
        """Runs trials while another process leads."""
        self._untold = search = self._untold or self._build()
        self._announce(search)
        await side_by_side(self._run_trials(search) for _ in range(self._runner.at_once))

    async def _run_trials(self, search: Search) -> None:
        while not self._workers.lead_is_free(self._record.id) and not self._is_complete():
            trial = await self._queue.claim()
            if trial is None:
                await asyncio.sleep(POLL_SECONDS)
                continue
            finished = await self._queue.run(trial)
            if finished is not None and self._observer:
                self._observer.trial_finished(finished, search)

    def _announce(self, search: Search) -> None:
        if self._observer and not self._announced:
            self._announced = True
            self._observer.session_started(self._record, self._task, search)

    def _end(self, state: SessionState, problem: str = "") -> None:
        with suppress(StorageError):  # what ended the session is raised, and says more
            self._archive.set_state(self._record.id, state, problem)

    def _is_complete(self) -> bool:
        return self._archive.state(self._record.id) is SessionState.COMPLETE
