"""`agenttts export`: a session as a log, as a pipeline that runs its best allocation, or as an Optuna study."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agenttts.cli.options import DEFAULT_STORAGE, LAST, AsJson, Session, Storage
from tools.errors import InvalidInput

if TYPE_CHECKING:
    from agent.log import WrittenLog

STANDARD_OUTPUT = "-"


def export(
    session: Session = LAST,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="The log to write, - for standard output. Default: SESSION.jsonl."),
    ] = None,
    with_samples: Annotated[bool, typer.Option("--with-samples", help="Put the generated texts into the log.")] = False,
    pipeline: Annotated[
        Path | None, typer.Option(help="Write no log but a pipeline: a .py program, or .yaml for a pipeline file.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Write no log but a study, to this Optuna storage, a database URL.")
    ] = None,
    study_name: Annotated[str | None, typer.Option(help="That study's name; agenttts-ID by default.")] = None,
    task: Annotated[
        str | None, typer.Option(help="With --pipeline: the session's pipeline, where its file has moved.")
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Write a session as one self-contained log; or its best allocation as a pipeline; or an Optuna study.

    Examples:

      agenttts export -o session.jsonl

      agenttts export 3f2a --with-samples -o -

      agenttts export --pipeline best.py

      agenttts export --study sqlite:///study.db
    """
    if (pipeline or study) and (output is not None or with_samples):
        raise InvalidInput("export", "--output and --with-samples belong to a log; leave out --pipeline and --study")
    if pipeline is not None and study is not None:
        raise InvalidInput("export", "give one of --pipeline FILE and --study URL")
    if pipeline is not None:
        _export_pipeline(pipeline, session, task, storage, as_json)
    elif study is not None:
        _export_study(study, study_name, session, storage, as_json)
    else:
        _export_log(session, output, storage, with_samples=with_samples, as_json=as_json)


def _export_log(session: str, output: str | None, storage: str, *, with_samples: bool, as_json: bool) -> None:
    from agent.log import export_log, stream_log

    if output == STANDARD_OUTPUT:
        if as_json:
            raise InvalidInput("--json", "would be mixed with the log; write the log to a file")
        written = stream_log(session, sys.stdout.buffer.write, storage, with_samples=with_samples)
        sys.stdout.buffer.flush()
        typer.echo(_told(written), err=True)
        return
    written = export_log(session, output, storage, with_samples=with_samples)
    if as_json:
        typer.echo(json.dumps(asdict(written), indent=2))
    else:
        typer.echo(_told(written))


def _told(written: WrittenLog) -> str:
    unfinished = "" if written.finished else f" The session is unfinished ({written.state}): its log will grow."
    wrote = f"Wrote {written.file or 'the log'}: session {written.session_id}, {written.lines:,} lines"
    return f"{wrote}, last hash {written.hash}.{unfinished}"


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
