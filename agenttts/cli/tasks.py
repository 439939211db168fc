"""`agenttts tasks`: what can be searched."""

from __future__ import annotations

import json
from inspect import getdoc

import typer
from rich.table import Table

from agenttts.cli.options import AsJson
from agenttts.cli.terminal import Terminal
from environment.task import TASKS


def tasks(as_json: AsJson = False) -> None:
    """List the known tasks.

    Example:

      agenttts tasks
    """
    rows = {name: (getdoc(TASKS.get(name)) or "").split("\n")[0] for name in TASKS.names()}
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("task", "what it is")
    for name, description in rows.items():
        table.add_row(name, description)
    Terminal().print(table)
