"""`agenttts sessions`: what is stored."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from agenttts.cli.options import DEFAULT_STORAGE, AsJson, Storage
from agenttts.cli.terminal import Terminal
from tools.errors import InvalidInput


def sessions(
    most: Annotated[int, typer.Option(min=1, help="How many to list, the newest first.")] = 20,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """List the stored sessions, the newest first: what each searched, how it stands and its best score.

    Examples:

      agenttts sessions

      agenttts sessions --most 100 --json
    """
    from storage.database import Database
    from storage.inspection import standing
    from storage.listing import listed_sessions

    found = standing(storage)
    if not found.exists:
        raise InvalidInput("storage", f"{found.url} is not there; the first `agenttts search` makes it")
    with Database.open(storage) as database:
        listed = listed_sessions(database, most)
    if as_json:
        rows = [
            {
                "session": one.record.id,
                "state": str(one.record.state),
                "workers": one.at_work,
                "problem": one.record.problem,
                "config": asdict(one.record.config),
                "created": one.record.created.isoformat(),
                "updated": one.record.updated.isoformat(),
                "complete": one.complete,
                "best": one.best,
            }
            for one in listed
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("session", "task", "searcher", "state", "trials", "best", "begun", box=SIMPLE_HEAD, pad_edge=False)
    for one in listed:
        config = one.record.config
        simulated = " (simulated)" if config.simulated and "simulated" not in config.task else ""
        table.add_row(
            one.record.id,
            f"{config.task}{simulated}",
            config.searcher,
            one.standing,
            f"{one.complete} of {config.trials}",
            "" if one.best is None else f"{one.best:.3f}",
            one.record.created.strftime("%Y-%m-%d %H:%M"),
        )
    Terminal().print(table)
