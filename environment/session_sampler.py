"""How a session's samples are drawn: paid from its account, its faults noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from environment.backend import Backend
from environment.sampler import Sampler
from environment.spending import Spending
from environment.task import Task
from storage.claims import Claims
from storage.database import Database
from storage.faults import SessionFaults
from storage.sample import Sample
from storage.samples import SampleStore
from storage.spending import SessionSpending


def session_sampler(
    task: Task,
    database: Database,
    session_id: str,
    worker: str,
    backends: Mapping[str, Backend],
    drawn: Mapping[str, int] | None = None,
    told: Callable[[str, Sequence[Sample]], None] | None = None,
) -> Sampler:
    """A sampler for one registered worker of a session; `drawn` and `told` as the Sampler takes them.

    It generates nothing that another worker is generating.
    """
    models = task.priced_models
    account = SessionSpending(database, session_id, worker)
    store, faults = SampleStore(database, account), SessionFaults(database, session_id, models)
    return Sampler(store, backends, Spending(account, models), faults, drawn, told, Claims(database, worker))
