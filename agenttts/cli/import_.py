"""`agenttts import`: a log's session in another database."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from agenttts.cli.options import DEFAULT_STORAGE, AsJson, Storage


def import_(
    log: Annotated[Path, typer.Argument(help="A log that `agenttts export` wrote.")],
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Bring a log's session into a database, whole or not at all.

    Example:

      agenttts import session.jsonl --storage other.db
    """
    from agent.log import import_log
    from storage.session import SessionState

    imported = import_log(log, storage)
    if as_json:
        typer.echo(json.dumps(asdict(imported), indent=2))
        return
    done = "Imported" if imported.new else "Nothing to do: the database holds, the same in everything,"
    resume = "" if imported.state is SessionState.COMPLETE else f" Go on with: agenttts resume {imported.session_id}"
    typer.echo(f"{done} session {imported.session_id} ({imported.state}).{resume}")
