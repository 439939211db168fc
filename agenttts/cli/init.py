"""`agenttts init`: files to start a pipeline of your own from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from agenttts.cli.options import AsJson
from tools.errors import InvalidInput

STARTERS = Path(__file__).parents[1] / "starters"
EXAMPLES = "examples.jsonl"
EACH = 20
"""Examples of each split; the recording holds 50."""


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write; made where it is missing.")] = Path(),
    python: Annotated[bool, typer.Option("--python", help="Python functions in place of a YAML file.")] = False,
    langgraph: Annotated[bool, typer.Option("--langgraph", help="A LangGraph graph in place of a YAML file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented pipeline and a small data set that run as they are.

    Examples:

      agenttts init my-pipeline

      agenttts init my-graph --langgraph
    """
    if python and langgraph:
        raise InvalidInput("--langgraph", "stands beside --python; write them into two folders")
    name, task = "pipeline.yaml", "pipeline.yaml"
    if python or langgraph:
        name = "pipeline.py" if python else "graph.py"
        task = f"{name}:pipeline"
    files = {
        name: _starter(name),
        EXAMPLES: "".join(json.dumps(record) + "\n" for record in _examples()),
    }
    for written in files:
        if (folder / written).exists():
            raise InvalidInput("DIR", f"{folder / written} is there already; name another folder or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    for written, text in files.items():
        (folder / written).write_text(text, encoding="utf-8")
    where = "" if folder == Path() else f"cd {folder} && "
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "files": list(files), "task": task}, indent=2))
    else:
        typer.echo(f"Wrote {' and '.join(str(folder / written) for written in files)}. Next:")
        typer.echo(f"  {where}agenttts check {task}    # its prompts, and what a search would take")
        typer.echo(f"  {where}agenttts search {task}   # the best model and number of samples for each stage")


def _starter(name: str) -> str:
    """The starter's text. Python ones end in .txt here, since they are no part of the program."""
    path = STARTERS / name
    return (path if path.exists() else path.with_name(f"{name}.txt")).read_text(encoding="utf-8")


def _examples() -> list[dict[str, object]]:
    """Questions of the recorded benchmark, those to search on first."""
    from environment.multihop.generator import generate_examples
    from environment.multihop.recorded import CANDIDATES, SEED
    from environment.multihop.recorded import EXAMPLES as HALF

    generated = generate_examples(2 * HALF, SEED, candidates=CANDIDATES)
    return [
        {
            "id": example.id,
            "question": example.question,
            "passages": example.candidates,
            "gold": example.gold,
            "answers": example.answers,
        }
        for example in [*generated[:EACH], *generated[HALF : HALF + EACH]]
    ]
