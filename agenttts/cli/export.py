"""`agenttts export`: a session's best allocation as a pipeline that runs by itself, or the session as a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from agenttts.cli.options import DEFAULT_STORAGE, LAST, AsJson, Session, Storage
from tools.errors import InvalidInput


def export(
    session: Session = LAST,
    pipeline: Annotated[
        Path | None, typer.Option(help="The pipeline to write: a .py program, or .yaml for a pipeline file.")
    ] = None,
    study: Annotated[str | None, typer.Option(help="The Optuna storage to write a study to, a database URL.")] = None,
    study_name: Annotated[str | None, typer.Option(help="That study's name; agenttts-ID by default.")] = None,
    task: Annotated[str | None, typer.Option(help="The session's pipeline, where its file has moved.")] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Write a session's best allocation as a pipeline that runs by itself, or the session as an Optuna study."""
    if (pipeline is None) == (study is None):
        raise InvalidInput("export", "give one of --pipeline FILE and --study URL")
    if pipeline is not None:
        _export_pipeline(pipeline, session, task, storage, as_json)
    elif study is not None:
        _export_study(study, study_name, session, storage, as_json)


def _export_pipeline(pipeline: Path, session: str, task: str | None, storage: str, as_json: bool) -> None:
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


def _export_study(target: str, name: str | None, session: str, storage: str, as_json: bool) -> None:
    from agent.study_export import export_study

    study = export_study(session, storage, target, name)
    if as_json:
        typer.echo(json.dumps({"study": target, "study_name": study.study_name, "trials": len(study.trials)}, indent=2))
    else:
        typer.echo(
            f"Wrote study {study.study_name} ({len(study.trials)} trials). Look at it: optuna-dashboard {target}"
        )
