"""`agenttts record`: make the recorded benchmark from live models."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agenttts.cli.options import DEFAULT_TASK, AsJson, Deadline, MaxGenerations, MaxTokens, Storage, Task, spending_caps
from agenttts.cli.terminal import Terminal
from environment.model_spec import parse_models
from tools.errors import InvalidInput

if TYPE_CHECKING:
    from environment.recorder import Progress as Recorded


def record(
    task: Task = DEFAULT_TASK,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="NAME:PARAMETERS@URL of each of the task's models.")
    ] = None,
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("recording.jsonl.xz"),
    storage: Storage = "sqlite:///recording.db",
    max_generations: MaxGenerations = None,
    max_tokens: MaxTokens = None,
    deadline: Deadline = None,
    examples: Annotated[int, typer.Option(min=1, max=50, help="Examples of each split.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Fill the sample store for every allocation of a task's grid and write it as one file.

    Stopped at any time, it goes on where it was when started again with the same storage. Caps on spending hold for
    one run of this command.

    Example:

      agenttts record --model smollm2-135m-instruct:135M@http://127.0.0.1:8080/v1 --examples 5
    """
    from environment.multihop.recording_plan import record_benchmark

    caps = spending_caps(None, max_generations, max_tokens, deadline)
    if task != DEFAULT_TASK:
        raise InvalidInput("TASK", f"{task!r} cannot be recorded; the recordable task is {DEFAULT_TASK}")
    console = Terminal(stderr=True, quiet=as_json)
    columns = ("{task.description}", "{task.fields[generations]:,} generations")
    bar = Progress(
        TextColumn(columns[0]),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(columns[1]),
        TimeRemainingColumn(),
        console=console,
    )
    shown = bar.add_task("examples", total=2 * examples, generations=0)

    def report(progress: Recorded) -> None:
        # Not before: bad input is answered with one line and no bar above it.
        bar.start()
        bar.update(shown, completed=progress.done, generations=progress.usage.requested)

    try:
        card = asyncio.run(record_benchmark(parse_models(model or ()), storage, output, examples, report, caps))
    finally:
        if bar.live.is_started:
            bar.stop()
    if as_json:
        typer.echo(json.dumps(card, indent=2))
    else:
        size = output.stat().st_size / 1e6
        console.print(f"{card['samples']:,} samples of {card['requests']:,} requests in {output} ({size:.1f} MB)")
