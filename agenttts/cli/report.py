"""`agenttts report`: a stored session as one HTML file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from agenttts.cli.options import DEFAULT_STORAGE, LAST, AsJson, Session, Storage


def report(
    session: Session = LAST,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("report.html"),
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="A session to compare with; repeatable. Default: the newest of each other searcher on this problem."
        ),
    ] = None,
    trial: Annotated[
        list[int] | None, typer.Option(help="A trial to follow example by example beside the best; repeatable.")
    ] = None,
    examples: Annotated[int, typer.Option(help="Examples to show of each allocation.")] = 12,
    task: Annotated[
        str | None, typer.Option(help="The session's pipeline, where its file has moved or it was a program's object.")
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Write a session's report: one HTML file that needs no network. Nothing is generated for it.

    Examples:

      agenttts report

      agenttts report 3f2a -o 3f2a.html --trial 7 --against 9b1c
    """
    from agent.session import load_result

    result = load_result(session, storage)
    path = result.report(output, task=task, against=against or (), trials=trial or (), examples=examples)
    if as_json:
        typer.echo(json.dumps({"file": str(path), "session": result.session_id}, indent=2))
    else:
        typer.echo(f"Wrote {path}: session {result.session_id}.")
