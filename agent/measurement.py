"""Measurements for costs in tokens and seconds, from a recording or from a stored session."""

from __future__ import annotations

import asyncio
from typing import Any

from environment.loading import load_task
from environment.measuring import measure, measured_recording
from environment.pipelines.loading import as_task
from environment.pipelines.searchable import SearchablePipeline
from environment.task import Task
from storage.archive import Archive
from storage.database import DEFAULT_URL, Database
from storage.samples import SampleStore
from tools.declared import names_misfits
from tools.errors import InvalidInput
from tools.measured import Measurements
from tools.trial import TrialState


@names_misfits
def measure_recording(task: str = "multihop-recorded", **options: Any) -> Measurements:
    """What the requests of a recorded task took when they were recorded.

    Raises UnknownName, and InvalidInput where the task is not recorded.
    """
    loaded = load_task(task, **options)
    if not loaded.recorded_from:
        raise InvalidInput("task", f"{task!r} is not recorded; search it first, then measure its session")
    return measured_recording(loaded)


@names_misfits
def measure_session(
    session: str = "last", storage: str = DEFAULT_URL, *, task: Task | SearchablePipeline | None = None
) -> Measurements:
    """What the requests of a stored session's complete trials took; nothing is generated.

    `task` is the session's own where it was an object of a program. Raises UnknownSession, and
    InvalidInput where the session has no complete trial or was simulated.
    """
    with Database.open(storage) as database:
        archive = Archive(database)
        record = archive.session(session)
        config = record.config
        loaded = load_task(config.task, **config.task_options) if task is None else as_task(task)
        if loaded.simulated:
            raise InvalidInput("session", f"{record.id} is of a simulated task, which generates nothing")
        done = [t.allocation for t in archive.trials(record.id) if t.state is TrialState.COMPLETE]
        if not done:
            raise InvalidInput("session", f"{record.id} has no complete trial to measure")
        return asyncio.run(measure(loaded, done, SampleStore(database), {}))
