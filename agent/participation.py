"""What a process does for a session: it runs the loop, judges the result and says how the session stands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from agent.checkpoints import checkpointer
from agent.judging import Judge
from agent.loop import Observer, SearchLoop
from agent.search import Search
from environment.execution import Begun, Execution
from environment.spending import priced_models
from environment.task import Task
from storage.archive import Archive
from storage.database import Database
from storage.sample import Sample
from storage.session import SessionRecord, SessionState
from storage.spending import SessionSpending
from tools.errors import InvalidInput, SpendingCapReached
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
    search: Search,
    database: Database,
    execution: Execution,
    observer: SessionObserver | None,
    caps: SpendingCaps = SpendingCaps(),  # noqa: B008 - it is frozen
) -> None:
    """Searches and judges a session from where its archive says it stands; it is complete on return.

    Each of the `caps` that is set replaces the session's own. Raises what searching and judging raise,
    and SpendingCapReached; by then requests under way have finished, and the session says how it ended.
    """
    archive = Archive(database)
    config = record.config
    SessionSpending(database, record.id, caps)
    begun = Begun(
        session_id=record.id,
        tried=[trial.allocation for trial in completed(archive.trials(record.id))],
        drawn=archive.drawn(record.id),
        told=observer.samples_generated if observer else None,
    )
    try:
        async with execution.runner(begun) as runner:
            loop = SearchLoop(record.id, task, search, runner, archive, config.trials, config.batch, observer)
            await _restore(loop)
            if observer:
                observer.session_started(record, task, search)
            async with checkpointer(database) as checkpoints:
                await loop.run(checkpoints)
            if observer:
                observer.judging_started()
            await Judge(record.id, task, search, runner, archive).run(front=config.front)
    except (asyncio.CancelledError, KeyboardInterrupt):
        archive.set_state(record.id, SessionState.INTERRUPTED)
        raise
    except SpendingCapReached as error:
        reached = SpendingCapReached(error.cap, str(archive.spending(record.id).spent), record.id)
        archive.set_state(record.id, SessionState.INTERRUPTED, str(reached))
        raise reached from error
    except Exception as error:
        archive.set_state(record.id, SessionState.FAILED, str(error))
        raise
    archive.set_state(record.id, SessionState.COMPLETE)


def require_prices(task: Task, caps: SpendingCaps) -> None:
    """Raises InvalidInput where a cap on dollars would count nothing."""
    if caps.max_dollars is not None and not priced_models(task):
        raise InvalidInput(
            "max_dollars",
            f"nothing that {task.name} sends has a price, so no dollar would be counted; "
            "give its live models prompt_price and generation_price",
        )


async def _restore(loop: SearchLoop) -> None:
    stored = loop.archive.trials(loop.session_id)
    if stored:
        loop.restore(stored)
