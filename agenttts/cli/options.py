"""Options that several subcommands share."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tools.errors import InvalidInput

DEFAULT_TASK = "multihop-recorded"
DEFAULT_STORAGE = "sqlite:///agenttts.db"

Task = Annotated[str, typer.Argument(help="The task; see `agenttts tasks`.")]
Storage = Annotated[str, typer.Option(help="Database URL or SQLite file.", envvar="AGENTTTS_STORAGE")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Budget = Annotated[
    float | None, typer.Option(help="In the cost model's unit. Default: one sample of the largest models.")
]
Cost = Annotated[str | None, typer.Option(help="Cost model: flops or price. Default: the task's own.")]
TaskOption = Annotated[
    list[str] | None, typer.Option("--set", help="A task option as NAME=VALUE, such as strategy=majority; repeatable.")
]
SearcherOption = Annotated[
    list[str] | None,
    typer.Option("--searcher-set", help="A searcher option as NAME=VALUE, such as reasoning_effort=high; repeatable."),
]
ModelSpec = Annotated[
    list[str] | None, typer.Option("--model", help="A live model as NAME:PARAMETERS@URL; repeatable.")
]


def task_options(settings: list[str] | None, models: list[str] | None) -> dict[str, Any]:
    """The keyword options of a task. Raises InvalidInput on a setting that is not NAME=VALUE."""
    return named_values("--set", settings) | ({"models": list(models)} if models else {})


def named_values(option: str, settings: list[str] | None) -> dict[str, Any]:
    """NAME=VALUE settings as keywords; a value is read as JSON where it is JSON, else as text.

    Raises InvalidInput naming the option on a setting that is not NAME=VALUE.
    """
    values: dict[str, Any] = {}
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        if not (equals and name.isidentifier()):
            raise InvalidInput(option, f"{setting!r} is not NAME=VALUE")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values
