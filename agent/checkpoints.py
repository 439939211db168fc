"""Where the loop's checkpoints are kept."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from storage.database import Database
from tools.errors import StorageError

LOG = logging.getLogger(__name__)


@asynccontextmanager
async def checkpointer(database: Database, session_id: str) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """LangGraph's SQLite checkpointer beside a SQLite file; in memory where there is no file.

    A file that cannot be read as one is begun anew, since the archive holds all that was decided.
    Raises StorageError where the file cannot be written.
    """
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    if database.path is None:
        yield InMemorySaver()
        return
    path = checkpoint_path(database.path)
    if not await _is_readable(path, session_id):
        LOG.warning("the checkpoints in %s are damaged; they are begun anew", path)
        for part in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
            part.unlink(missing_ok=True)
    try:
        async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
            # The last ones may be lost with the machine's power, and no step waits for the disk: none is read back.
            await saver.conn.execute("PRAGMA synchronous = NORMAL")
            yield saver
    except sqlite3.Error as error:
        raise StorageError(f"checkpoints {path}: {error}; see docs/sessions.md") from error


async def _is_readable(path: Path, session_id: str) -> bool:
    """Whether a file is missing or a checkpointer gets a session's last checkpoint from it."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    if not path.exists():
        return True
    try:
        async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
            await saver.aget_tuple({"configurable": {"thread_id": session_id}})
    except sqlite3.OperationalError:
        return True  # locked, read-only or the disk is full: that is no damage, and said where it is written
    except Exception:
        LOG.info("checkpoints could not be read", exc_info=True)
        return False
    return True


def checkpoint_path(path: Path) -> Path:
    """Where the loop's checkpoints lie: beside the database file, since LangGraph owns their schema."""
    return path.with_name(f"{path.stem}-checkpoints{path.suffix or '.db'}")
