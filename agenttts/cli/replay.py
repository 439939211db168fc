"""`agenttts replay`: every decision of a log, made again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agenttts.cli.options import AsJson
from agenttts.cli.terminal import Terminal

if TYPE_CHECKING:
    from agent.log import Replay

SHOWN, BEFORE = 400, 60
"""Characters of a value that are printed, and how many of them before the place where two texts part."""


def replay(
    log: Annotated[Path, typer.Argument(help="A log that `agenttts export` wrote.")],
    task: Annotated[
        str | None,
        typer.Option(help="The task to derive the scores with, where it is a file or a module: it will be run."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make every decision of a log again, offline, and compare: exit code 1 where one differs.

    Examples:

      agenttts replay session.jsonl

      agenttts replay session.jsonl --task pipeline.yaml --json
    """
    from agent.log import replay_log

    done = replay_log(log, task=task)
    if as_json:
        typer.echo(json.dumps(_values(done), indent=2))
    else:
        _print(Terminal(soft_wrap=True, highlight=False), log, done)
    raise typer.Exit(0 if done.same else 1)


def _values(done: Replay) -> dict[str, Any]:
    return {
        "session": done.session_id,
        "state": str(done.state),
        "same": done.same,
        **{name: count for name, count in asdict(done.decisions).items() if name != "divergence"},
        "scores": done.scores,
        "unscored": done.unscored,
        "divergence": asdict(done.divergence) if done.divergence else None,
        "made_with": done.made_with,
        "here": done.here,
    }


def _print(console: Terminal, log: Path, done: Replay) -> None:
    made = done.decisions
    unfinished = "" if done.state == "complete" else f" It is unfinished ({done.state}): this is what it has decided."
    console.print(f"{log}: the chain is whole. Session {done.session_id}.{unfinished}")
    console.print(
        f"Decided again: {made.trials:,} trials, {made.guidelines:,} guidelines, {made.evaluations:,} evaluations; "
        f"{made.calls:,} model calls answered from the log."
    )
    scored = f"Scores derived again: {done.scores:,}."
    console.print(scored if not done.unscored else f"Scores not derived again: {done.unscored}.")
    if done.divergence is None:
        console.print("Everything is the same, byte for byte.")
        return
    console.print(f"First difference: {done.divergence.place}, {done.divergence.field}")
    start = _where_they_part(done.divergence.logged, done.divergence.replayed)
    console.print(f"  logged:   {_shown(done.divergence.logged, start)}")
    console.print(f"  replayed: {_shown(done.divergence.replayed, start)}")
    for name, (theirs, ours) in _other_software(done).items():
        console.print(f"  other software: {name} {theirs} in the log, {ours} here")


def _where_they_part(logged: Any, replayed: Any) -> int:
    """From which character on two long texts are worth showing."""
    if not (isinstance(logged, str) and isinstance(replayed, str)):
        return 0
    same = next((n for n, (a, b) in enumerate(zip(logged, replayed, strict=False)) if a != b), 0)
    return max(0, same - BEFORE)


def _shown(value: Any, start: int) -> str:
    if value is None:
        return "nothing"
    rest = value[start:] if start else value
    text = json.dumps(rest, ensure_ascii=False)
    whole = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return f"... {whole} (from character {start:,} on)" if start else whole


def _other_software(done: Replay) -> dict[str, tuple[str, str]]:
    """What is installed in another version here than where the session was made."""
    if done.made_with is None:
        return {}
    theirs, ours = (
        {"agenttts": made["agenttts"], "Python": made["python"], "system": made["platform"], **made["packages"]}
        for made in (done.made_with, done.here)
    )
    return {name: (found, ours.get(name, "none")) for name, found in theirs.items() if ours.get(name) != found}
