"""A small finished session, made once: its database and its log."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from agent.log import export_log
from agent.session import run

SMALL = {"search_examples": 3, "held_out_examples": 3}


@cache
def finished() -> tuple[bytes, str]:
    """The SQLite file and the log."""
    with tempfile.TemporaryDirectory() as name:
        storage = f"sqlite:///{Path(name) / 'session.db'}"
        run("simulated-2wiki", searcher="random", trials=2, batch=2, task_options=SMALL, storage=storage)
        export_log("last", Path(name) / "session.jsonl", storage)
        return (Path(name) / "session.db").read_bytes(), (Path(name) / "session.jsonl").read_text(encoding="ascii")


def log_lines() -> list[dict[str, Any]]:
    """The log's lines as values; new ones at each call, since they are changed."""
    return [json.loads(line) for line in finished()[1].splitlines()]
