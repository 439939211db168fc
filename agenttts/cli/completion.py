"""What the shell may complete: names of tasks, searchers, cost models and sessions. Nothing is loaded or changed."""

from __future__ import annotations

import os
from collections.abc import Iterator

DEFAULT_STORAGE = "sqlite:///agenttts.db"
STORAGE_ENV = "AGENTTTS_STORAGE"
LAST = "last"
SESSIONS_SHOWN = 20


def task_names(incomplete: str) -> Iterator[str]:
    """Tasks that are installed; files are the shell's own."""
    return _registered("agenttts.tasks", incomplete)


def searcher_names(incomplete: str) -> Iterator[str]:
    """Searchers that are installed."""
    return _registered("agenttts.searchers", incomplete)


def cost_names(incomplete: str) -> Iterator[str]:
    """Cost models that are installed."""
    return _registered("agenttts.costs", incomplete)


def session_ids(incomplete: str) -> Iterator[tuple[str, str]]:
    """The newest sessions of the usual database, each with what it searched; none where it cannot be read."""
    from storage.database import Database
    from storage.inspection import standing
    from storage.listing import listed_sessions
    from tools.errors import AgentttsError

    yield from ((name, "the newest session") for name in (LAST,) if name.startswith(incomplete))
    url = os.environ.get(STORAGE_ENV, DEFAULT_STORAGE)
    try:
        # Only where opening changes nothing: a new schema is not for a press of the tab key.
        if not standing(url).up_to_date:
            return
        with Database.open(url) as database:
            listed = listed_sessions(database, SESSIONS_SHOWN)
    except AgentttsError:
        return
    for record in (one.record for one in listed):
        if record.id.startswith(incomplete):
            yield record.id, f"{record.config.task}, {record.config.searcher}, {record.state}"


def _registered(group: str, incomplete: str) -> Iterator[str]:
    from importlib.metadata import entry_points

    names = {entry.name for entry in entry_points(group=group)}
    return (name for name in sorted(names) if name.startswith(incomplete))
