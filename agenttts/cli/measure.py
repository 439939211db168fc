"""`agenttts measure`: what requests took, for costs in seconds and tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from agenttts.cli.options import DEFAULT_STORAGE, DEFAULT_TASK, AsJson, Storage, Task, TaskOption, named_values
from agenttts.cli.terminal import Terminal
from tools.errors import InvalidInput

if TYPE_CHECKING:
    from tools.measured import Measurements


def measure(
    task: Task = DEFAULT_TASK,
    session: Annotated[
        str | None, typer.Option(help="Measure this stored session (id or last) instead of a recorded task.")
    ] = None,
    settings: TaskOption = None,
    output: Annotated[Path | None, typer.Option(help="The file to write, for --measured.")] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Measure the tokens and seconds of a recorded task's or a session's requests; nothing is generated.

    Examples:

      agenttts measure --output measured.json

      agenttts measure --session last
    """
    from agent.measurement import measure_recording, measure_session

    if session is None:
        found = measure_recording(task, **named_values("--set", settings))
    else:
        found = measure_session(session, storage)
    text = json.dumps(found.to_dict(), indent=2)
    if output is not None:
        try:
            output.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise InvalidInput("--output", f"{output} cannot be written: {error.strerror}") from None
    if as_json:
        typer.echo(text)
    else:
        _print(Terminal(), found)


def _print(console: Console, found: Measurements) -> None:
    table = Table(
        "subtask", "model", "requests", "largest", "prompt tokens", "tokens a sample", "1 sample", "largest at once"
    )
    for subtask, models in found.entries.items():
        for model, measured in models.items():
            seconds = (f"{measured.seconds(measured.sampling(count)):,.3g} s" for count in (1, measured.largest))
            lengths = (f"{measured.prompt_tokens:,.4g}", f"{measured.generation_tokens:,.4g}")
            table.add_row(subtask, model, f"{measured.requests:,}", str(measured.largest), *lengths, *seconds)
    console.print(table)
    console.print(
        "Seconds of one request, by a line fitted to all of them; its waiting in the server's queue is included."
    )
