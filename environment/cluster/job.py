"""What workers are told to work on: a task and a database, and no secret."""

from __future__ import annotations

import hashlib
import pickle
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from environment.loading import load_task
from environment.pipelines.loading import HANDED_OVER
from environment.task import HELD_OUT, SEARCH, Task
from storage.database import Database
from storage.session import SessionConfig
from tools.errors import InvalidInput

PACKAGE = "agenttts"

Pickle = Callable[[object], bytes]


@dataclass(frozen=True, slots=True)
class Job:
    """A session's task and database, as they travel.

    `storage` is a database URL without a password. `host` is the machine that has its file, "" for a
    database server. The task is loaded by name and options, or is `pickled` where it has no name.
    `release` and `fingerprint` are the driver's version and what its task looks like; workers that see
    another one would give other scores.
    """

    storage: str
    host: str
    task: str
    task_options: Mapping[str, Any]
    pickled: bytes
    release: str
    fingerprint: str

    def load(self) -> Task:
        """The task. Raises InvalidInput where this machine cannot load it or has another one."""
        if self.release != (here := version(PACKAGE)):
            raise InvalidInput(
                "executor",
                f"{socket.gethostname()} has {PACKAGE} {here} and the search {self.release}; "
                "install the same one on every node",
            )
        task = self._unpickled() if self.pickled else load_task(self.task, **self.task_options)
        if fingerprint(task) != self.fingerprint:
            raise InvalidInput(
                "task",
                f"{self.task} is another one on {socket.gethostname()}; "
                "put the same files at the same place on every node",
            )
        return task

    def open_database(self) -> Database:
        """The database. Raises InvalidInput on a machine that does not have it, and StorageError."""
        if self.host and self.host != socket.gethostname():
            raise InvalidInput(
                "storage",
                f"is a file of {self.host}, and a worker runs on {socket.gethostname()}; "
                "use postgresql://HOST/NAME, which every node reaches",
            )
        return Database.open(self.storage)

    def _unpickled(self) -> Task:
        try:
            task = pickle.loads(self.pickled)  # noqa: S301 - the driver's own, by the cluster's own way
        except Exception as error:
            raise InvalidInput(
                "task", f"{self.task.removeprefix(HANDED_OVER)!r} cannot be rebuilt on {socket.gethostname()}: {error}"
            ) from error
        if not isinstance(task, Task):
            raise InvalidInput("task", f"must be a Task, got {type(task).__name__}")
        return task


def job_of(config: SessionConfig, task: Task, database: Database, pickled: Pickle) -> Job:
    """The job of a session; `pickled` makes bytes of a task that has no name.

    Raises InvalidInput for a task or a database that other processes cannot have.
    """
    if task.simulated:
        raise InvalidInput("executor", f"{task.name} is simulated: there is nothing to spread; use the local one")
    storage, host = _storage(database)
    return Job(
        storage=storage,
        host=host,
        task=config.task,
        task_options=dict(config.task_options),
        pickled=_pickle(task, pickled) if config.task.startswith(HANDED_OVER) else b"",
        release=version(PACKAGE),
        fingerprint=fingerprint(task),
    )


def fingerprint(task: Task) -> str:
    """Identifies a task's files, stages and examples."""
    ids = [[example.id for example in task.examples(split)] for split in (SEARCH, HELD_OUT)]
    return hashlib.sha256(repr((task.digest, list(task.metrics.items()), ids)).encode()).hexdigest()


def _storage(database: Database) -> tuple[str, str]:
    url = database.engine.url
    if url.get_backend_name() == "sqlite":
        if database.path is None:
            raise InvalidInput("storage", "is in memory, where no worker sees it; use a file or postgresql://HOST/NAME")
        return url.set(database=str(Path(database.path).resolve())).render_as_string(), socket.gethostname()
    if url.password:
        raise InvalidInput(
            "storage",
            "has a password, which would travel through the cluster; leave it out and set PGPASSWORD (or ~/.pgpass) "
            "on every node",
        )
    return url.render_as_string(), ""


def _pickle(task: Task, pickled: Pickle) -> bytes:
    try:
        sent = pickled(task)
        pickle.loads(sent)  # noqa: S301 - just made; some values are only noticed when they arrive
        return sent
    except Exception as error:
        raise InvalidInput(
            "task",
            f"{task.name!r} cannot be sent to the workers ({error}); name it as FILE.py:ATTRIBUTE, which they load",
        ) from error
