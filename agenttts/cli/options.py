"""Options that several subcommands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agenttts.cli.completion import DEFAULT_STORAGE as DEFAULT_STORAGE
from agenttts.cli.completion import LAST as LAST
from agenttts.cli.completion import STORAGE_ENV, cost_names, session_ids, task_names
from tools.errors import InvalidInput

if TYPE_CHECKING:
    from tools.measured import Measurements
    from tools.spending import SpendingCaps

DEFAULT_TASK = "multihop-recorded"

Task = Annotated[
    str,
    typer.Argument(
        help="The task, a pipeline file or MODULE:ATTRIBUTE; see `agenttts tasks`.", autocompletion=task_names
    ),
]
Session = Annotated[str, typer.Argument(help="Session id, the beginning of one, or last.", autocompletion=session_ids)]
Storage = Annotated[str, typer.Option(help="Database URL or SQLite file.", envvar=STORAGE_ENV)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
AsJsonLines = Annotated[
    bool, typer.Option("--json-lines", help="Print what happens as JSON lines, one event each; the last is the result.")
]
Budget = Annotated[
    float | None, typer.Option(help="In the cost model's unit. Default: one sample of the largest models.")
]
Cost = Annotated[
    str | None,
    typer.Option(
        help="Cost model: flops, price, kinetics, latency, tokens or an installed one. Default: the task's.",
        autocompletion=cost_names,
    ),
]
CostSetting = Annotated[
    list[str] | None,
    typer.Option("--cost-set", help="A setting of the cost model as NAME=VALUE, such as attention=true; repeatable."),
]
Cap = Annotated[
    list[str] | None,
    typer.Option("--cap", help="A limit on a further cost as NAME=LIMIT, such as price=0.01; repeatable."),
]
MeasuredFile = Annotated[
    Path | None, typer.Option("--measured", help="File of `agenttts measure`, for costs in seconds and tokens.")
]
TaskOption = Annotated[
    list[str] | None, typer.Option("--set", help="A task option as NAME=VALUE, such as strategy=majority; repeatable.")
]
SearcherOption = Annotated[
    list[str] | None,
    typer.Option("--searcher-set", help="A searcher option as NAME=VALUE, such as reasoning_effort=high; repeatable."),
]
Executor = Annotated[str, typer.Option(help="Where trials run: local, or ray for a cluster.")]
ExecutorOption = Annotated[
    list[str] | None,
    typer.Option("--executor-set", help="An executor option as NAME=VALUE, such as workers=8; repeatable."),
]
ModelSpec = Annotated[
    list[str] | None, typer.Option("--model", help="A live model as NAME:PARAMETERS@URL; repeatable.")
]

MaxDollars = Annotated[
    float | None,
    typer.Option(help="The most dollars that all runs of the session may spend, by its models' prices."),
]
MaxGenerations = Annotated[int | None, typer.Option(help="The most generations of all runs of the session.")]
MaxTokens = Annotated[
    int | None, typer.Option(help="The most tokens, of prompts and answers, of all runs of the session.")
]
Deadline = Annotated[
    str | None,
    typer.Option(help="Nothing is sent after it: a duration such as 2h, or a moment such as 2026-05-06T18:00+02:00."),
]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a search that costs money.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what the search may come to, and send nothing.")]


def spending_caps(
    max_dollars: float | None, max_generations: int | None, max_tokens: int | None, deadline: str | None
) -> SpendingCaps:
    """The caps on spending. Raises InvalidInput naming the option."""
    from datetime import UTC, datetime

    from tools.deadline import read_deadline
    from tools.spending import SpendingCaps

    moment = None if deadline is None else read_deadline(deadline, datetime.now(UTC))
    try:
        return SpendingCaps(max_generations, max_tokens, max_dollars, moment)
    except InvalidInput as error:
        raise InvalidInput(f"--{error.field.replace('_', '-')}", error.problem) from None


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
        except (ValueError, RecursionError):
            values[name] = text
    return values


def cap_limits(caps: list[str] | None) -> dict[str, float]:
    """The limits of --cap by cost model. Raises InvalidInput on one that is no number or stands twice."""
    values = named_values("--cap", caps)
    if len(values) < len(caps or ()):
        raise InvalidInput("--cap", "a cost stands twice; give each cost one limit")
    for name, limit in values.items():
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise InvalidInput("--cap", f"{name} must be a number, got {limit!r}")
    return values


def read_measured(path: Path | None) -> Measurements | None:
    """The measurements in a file, None without one. Raises InvalidInput naming the file."""
    from tools.measured import Measurements

    if path is None:
        return None
    try:
        return Measurements.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput("--measured", f"{path} cannot be read ({error}); make it with `agenttts measure`") from None
    except InvalidInput as error:
        raise InvalidInput("--measured", f"{path}: {error}") from None
