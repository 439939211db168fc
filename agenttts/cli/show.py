"""`agenttts show`: a stored session."""

from __future__ import annotations

import json

import typer

from agenttts.cli.options import DEFAULT_STORAGE, LAST, AsJson, Session, Storage
from agenttts.cli.terminal import Terminal


def show(
    session: Session = LAST,
    storage: Storage = DEFAULT_STORAGE,
    trials: bool = typer.Option(False, "--trials", help="List every trial."),
    guidelines: bool = typer.Option(False, "--guidelines", help="Print every guideline."),
    transcripts: bool = typer.Option(False, "--transcripts", help="Print the agent's model calls."),
    as_json: AsJson = False,
) -> None:
    """Show a session's result, its trials, guidelines and transcripts.

    Examples:

      agenttts show

      agenttts show 3f2a --trials --guidelines

      agenttts show last --json
    """
    from agent.session import load_result, load_transcripts, load_workers
    from agenttts.cli.summary import print_result, result_to_dict

    result = load_result(session, storage)
    calls = load_transcripts(result.session_id, storage) if transcripts else []
    if as_json:
        typer.echo(json.dumps(result_to_dict(result, calls), indent=2))
        return
    console = Terminal()
    for worker in load_workers(result.session_id, storage):
        does = "between trials" if worker.trial is None else f"runs trial {worker.trial}"
        role = "leads, " if worker.leads else ""
        console.print(f"Worker {worker.id} on {worker.process.host}, process {worker.process.pid}: {role}{does}")
    print_result(console, result, trials=trials, guidelines=guidelines)
    for call in calls:
        console.rule(f"batch {call.batch} {call.purpose} {call.attempt}" + ("" if call.accepted else " rejected"))
        console.print(call.answer)
