"""`agenttts export`: a session's best allocation as a pipeline that runs by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from agenttts.cli.options import DEFAULT_STORAGE, AsJson, Storage


def export(
    pipeline: Annotated[Path, typer.Option(help="The file to write: a .py program, or .yaml for a pipeline file.")],
    session: Annotated[str, typer.Argument(help="Session id, the beginning of one, or last.")] = "last",
    task: Annotated[str | None, typer.Option(help="The session's pipeline, where its file has moved.")] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Write a session's best allocation as a pipeline that runs by itself."""
    from dataclasses import replace

    from agent.export import export_pipeline
    from agent.session import load_result
    from agent.winner import load_winner
    from environment.pipelines.loading import located

    result = load_result(session, storage)
    winner = load_winner(result.session_id, storage, task)
    if task is not None:
        result = replace(result, config=replace(result.config, task=located(task)))
    export_pipeline(result, winner, pipeline)
    if as_json:
        typer.echo(json.dumps({"file": str(pipeline), "allocation": winner.allocation.to_dict()}, indent=2))
    else:
        typer.echo(f"Wrote {pipeline}: {winner.allocation} ({winner.origin}).")
