"""Where the loop's checkpoints are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from storage.database import Database


@asynccontextmanager
async def checkpointer(database: Database) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """LangGraph's SQLite checkpointer beside a SQLite file; in memory where there is no file."""
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    if database.path is None:
        yield InMemorySaver()
        return
    async with AsyncSqliteSaver.from_conn_string(str(checkpoint_path(database.path))) as saver:
        yield saver


def checkpoint_path(path: Path) -> Path:
    """Where the loop's checkpoints lie: beside the database file, since LangGraph owns their schema."""
    return path.with_name(f"{path.stem}-checkpoints{path.suffix or '.db'}")
