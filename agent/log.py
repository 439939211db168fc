"""Logs of sessions: written, checked by doing every decision again, and brought into another database."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from agent.judging import BEST
from agent.preparation import prepare, session_task
from agent.replay import Decisions, Divergence, replay_decisions
from agent.rescoring import Scores, derive_scores
from agent.setup import problem_values, software
from environment.loading import load_task
from environment.memory_store import MemoryStore
from environment.pipelines.loading import as_task
from environment.pipelines.searchable import SearchablePipeline
from environment.task import TASKS, Task
from storage.archive import Archive
from storage.database import DEFAULT_URL, Database
from storage.log.importing import import_session
from storage.log.reading import Log, LoggedSample, read_log
from storage.log.writing import write_log
from storage.session import SessionRecord, SessionState
from tools.errors import InvalidInput
from tools.text import shortened


@dataclass(frozen=True, slots=True)
class WrittenLog:
    """A log that was written: its session, how many lines it has and the hash that stands for all of them.

    `file` is "" where it went elsewhere.
    """

    session_id: str
    state: SessionState
    lines: int
    hash: str
    file: str = ""

    @property
    def finished(self) -> bool:
        """Whether the session is over, so that the log will never grow."""
        return self.state is SessionState.COMPLETE


def export_log(
    session: str, log: str | Path | None = None, storage: str = DEFAULT_URL, *, with_samples: bool = False
) -> WrittenLog:
    """Writes a session (id, unique prefix or "last") as one self-contained file (docs/log-format.md).

    Without `log` the file is SESSION.jsonl in the current folder.
    Two logs of one finished session are the same byte for byte. The file appears whole or not at all; one that
    is there already is not touched. Raises UnknownSession, InvalidInput for a file that cannot be written and
    where samples are asked for that are not in the database.
    """
    with Database.open(storage) as database:
        session = Archive(database).session(session).id
    path = Path(f"{session}.jsonl" if log is None else log)
    if path.exists() or not path.name:
        raise InvalidInput("log", f"{path} is there already; name another file")
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with unfinished.open("xb") as file:
            written = stream_log(session, file.write, storage, with_samples=with_samples)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        return replace(written, file=str(path))
    except OSError as error:
        raise InvalidInput("log", f"cannot write {str(path)!r}: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def stream_log(
    session: str, write: Callable[[bytes], object], storage: str = DEFAULT_URL, *, with_samples: bool = False
) -> WrittenLog:
    """As `export_log`, line by line to `write`."""
    with Database.open(storage) as database:
        archive = Archive(database)
        record = archive.session(session)
        setup = None if archive.setup(record.id) else _setup_of_old(record)
        chain = write_log(database, record.id, write, recommended=BEST, with_samples=with_samples, setup=setup)
        return WrittenLog(record.id, record.state, chain.count, chain.last)


@dataclass(frozen=True, slots=True)
class ImportedLog:
    """The session of a log in a database; `new` unless it was there already, the same in everything."""

    session_id: str
    state: SessionState
    new: bool


def import_log(log: str | Path, storage: str = DEFAULT_URL) -> ImportedLog:
    """Brings the session of a log into a database, whole or not at all.

    It can then be shown, exported again, and resumed where it is unfinished. Raises InvalidInput for a log that is
    damaged and for a session that is there already and differs.
    """
    with Database.open(storage) as database:
        record, new = import_session(database, Path(log), recommended=BEST)
        return ImportedLog(record.id, record.state, new)


@dataclass(frozen=True, slots=True)
class Replay:
    """A log whose every decision was made again.

    `scores` is how many scores were derived again, `unscored` why not all or none were, "" where all were.
    `divergence` is the first decision or score that is another one now, None where all are the same.
    `made_with` is the software of the session where the log tells it, `here` that of the replay.
    """

    session_id: str
    state: SessionState
    decisions: Decisions
    scores: int
    unscored: str
    divergence: Divergence | None
    made_with: Mapping[str, Any] | None
    here: Mapping[str, Any]

    @property
    def same(self) -> bool:
        """Whether nothing diverged."""
        return self.divergence is None


def replay_log(log: str | Path, *, task: str | Task | SearchablePipeline | None = None) -> Replay:
    """Makes every decision in a log again, from the log alone: no task, no database, no network.

    Where the log holds samples, or its task is simulated, the scores are derived again too by the task: the
    registered one of the log's name, or `task`. A log may name any file or module of this machine: what is not
    registered is loaded only where it is given here. Raises InvalidInput for a log that is damaged.
    """
    samples = MemoryStore()
    read = read_log(Path(log), partial(_keep, samples))
    decisions = replay_decisions(read)
    derived, unscored = Scores(0), "a decision differs"
    if decisions.divergence is None:
        found, unscored = _task_of(read, task)
        if found is not None:
            derived = asyncio.run(derive_scores(read, found, samples))
    return Replay(
        session_id=read.record.id,
        state=read.record.state,
        decisions=decisions,
        scores=derived.derived,
        unscored=unscored,
        divergence=decisions.divergence or derived.divergence,
        made_with=read.setup["made_with"],
        here=software(),
    )


def _keep(samples: MemoryStore, told: LoggedSample) -> None:
    if told.request is not None and told.sample is not None:
        samples.put([(told.request, told.index, told.sample)])


def _task_of(log: Log, given: str | Task | SearchablePipeline | None) -> tuple[Task | None, str]:
    """The task that can derive the scores, or why there is none."""
    config = log.record.config
    if not (log.with_samples or config.simulated):
        return None, "the log holds no samples; `agenttts export --with-samples` puts them in"
    if given is None and config.task not in TASKS.names():
        return None, f"the task {shortened(config.task)} is not registered here; name it where it may be loaded"
    try:
        if given is None:
            return session_task(config), ""
        loaded = load_task(given, **config.task_options) if isinstance(given, str) else as_task(given)
        return session_task(config, loaded), ""
    except InvalidInput as error:
        if given is not None:
            raise
        return None, f"the task cannot be loaded: {error}"


def _setup_of_old(record: SessionRecord) -> Mapping[str, Any]:
    """The setup of a session that is older than its being stored, from its task."""
    try:
        _, search, _ = prepare(record.config)
    except InvalidInput as error:
        raise InvalidInput(
            "session", f"{record.id} is older than logs and its task is not to be had ({error})"
        ) from None
    return {"problem": problem_values(search.problem), "made_with": None}
