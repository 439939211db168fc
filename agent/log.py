"""Logs of sessions: written, checked by doing every decision again, and brought into another database."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.judging import BEST
from agent.preparation import prepare
from agent.setup import problem_values
from storage.archive import Archive
from storage.database import DEFAULT_URL, Database
from storage.log.importing import import_session
from storage.log.writing import write_log
from storage.session import SessionRecord, SessionState
from tools.errors import InvalidInput


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


def _setup_of_old(record: SessionRecord) -> Mapping[str, Any]:
    """The setup of a session that is older than its being stored, from its task."""
    try:
        _, search, _ = prepare(record.config)
    except InvalidInput as error:
        raise InvalidInput(
            "session", f"{record.id} is older than logs and its task is not to be had ({error})"
        ) from None
    return {"problem": problem_values(search.problem), "made_with": None}
