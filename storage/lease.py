"""A process's place among a session's workers, kept by a heartbeat for as long as its block lasts."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Self

from storage.database import Database
from storage.workers import LEASE_SECONDS, Worker, Workers
from tools.errors import StorageError

LOG = logging.getLogger(__name__)
WATCH_SECONDS = 1.0
"""How often the workers of a database look for the dead of their machine, all of them together."""


class Lease:
    """Registers a worker of a session, keeps it alive from a thread of its own, and lets it leave.

    A thread, since the event loop may be busy with a searcher's arithmetic for longer than the lease.
    The same thread buries dead workers of the database, and calls `on_stop`, once, when all who work at
    the session are asked to leave.
    """

    worker: Worker

    def __init__(self, database: Database, session_id: str, seconds: float = LEASE_SECONDS) -> None:
        self.workers = Workers(database)
        self._session_id = session_id
        self._seconds = seconds
        self._over = Event()
        self.on_stop: Callable[[], object] | None = None

    def __enter__(self) -> Self:
        self.workers.bury()
        self.worker = self.workers.register(self._session_id, self._seconds)
        self._thread = Thread(target=self._keep, name="agenttts heartbeat", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        try:
            self.workers.leave(self.worker)
        except StorageError as problem:
            # The others find it gone when its process is or its lease is over.
            LOG.warning("worker %s could not leave: %s", self.worker.id, problem)

    def _keep(self) -> None:
        each = self._seconds / 3
        watch = min(each, WATCH_SECONDS)
        waited = 0.0
        while not self._over.wait(watch):
            waited += watch
            try:
                if waited >= each:
                    waited = 0.0
                    self.workers.beat(self.worker)
                # Of many workers one or another looks each time, rather than all of them at all of them.
                if random.random() * self.workers.number() < 1.0:
                    for dead in self.workers.bury():
                        LOG.info("worker %s on %s is gone", dead.id, dead.process.host)
                if self.on_stop is not None and self.workers.is_stopping(self._session_id):
                    told, self.on_stop = self.on_stop, None
                    told()
            except StorageError as problem:
                # A database that is away for less than the lease costs nothing; one that stays away ends the session.
                LOG.warning("worker %s has no heartbeat: %s", self.worker.id, problem)
