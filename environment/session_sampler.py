"""How a session's samples are drawn: paid from its account, its faults noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from environment.backend import Backend
from environment.sampler import Sampler
from environment.spending import Spending, priced_models
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
    backends: Mapping[str, Backend],
    drawn: Mapping[str, int] | None = None,
    told: Callable[[str, Sequence[Sample]], None] | None = None,
    worker: str = "",
) -> Sampler:
    """A sampler for one process of a session; `drawn` and `told` as the Sampler takes them.

    A `worker` generates nothing that another one is generating.
    """
    models = priced_models(task)
    account = SessionSpending(database, session_id)
    store, faults = SampleStore(database, account), SessionFaults(database, session_id, models)
    claims = Claims(database, worker) if worker else None
    return Sampler(store, backends, Spending(account, models), faults, drawn, told, claims)
