"""`agenttts pareto`: what every budget buys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from agenttts.cli.confirm import confirmation
from agenttts.cli.observers import Mlflow, Otel, beside
from agenttts.cli.options import (
    DEFAULT_STORAGE,
    DEFAULT_TASK,
    AsJson,
    Cap,
    Cost,
    CostSetting,
    Deadline,
    DryRun,
    Executor,
    ExecutorOption,
    MaxDollars,
    MaxGenerations,
    MaxTokens,
    MeasuredFile,
    ModelSpec,
    SearcherOption,
    Storage,
    Task,
    TaskOption,
    Yes,
    cap_limits,
    named_values,
    read_measured,
    spending_caps,
    task_options,
)
from agenttts.cli.terminal import Terminal
from tools.errors import InvalidInput

if TYPE_CHECKING:
    from agent.pareto import Front


def pareto(
    task: Task = DEFAULT_TASK,
    budget: Annotated[
        float | None, typer.Option(help="The largest, in the cost model's unit. Default: twice that of `search`.")
    ] = None,
    searcher: Annotated[
        str, typer.Option(help="planner-front, tpe-front, nsga2-front, or any other searcher.")
    ] = "planner-front",
    trials: Annotated[int, typer.Option(help="How many allocations to try.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the searcher.")] = 0,
    batch: Annotated[int, typer.Option(help="Allocations proposed at a time.")] = 10,
    cost: Cost = None,
    cost_settings: CostSetting = None,
    cap: Cap = None,
    measured: MeasuredFile = None,
    model: ModelSpec = None,
    settings: TaskOption = None,
    searcher_settings: SearcherOption = None,
    executor: Executor = "local",
    executor_settings: ExecutorOption = None,
    max_dollars: MaxDollars = None,
    max_generations: MaxGenerations = None,
    max_tokens: MaxTokens = None,
    deadline: Deadline = None,
    mlflow: Mlflow = None,
    otel: Otel = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    session: Annotated[
        str | None, typer.Option(help="Show this stored session (id or last) instead of searching.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the front as a figure: .svg, .png or .pdf.")] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Search score against cost in one go and show what every budget buys.

    Stopped at any time, it goes on with `agenttts resume`; then --session shows its front.

    Examples:

      agenttts pareto --plot front.svg

      agenttts pareto pipeline.yaml --trials 60 --cost price
    """
    from agent.pareto import load_front
    from agent.pareto import pareto as search_front
    from agenttts.cli.progress import observing

    caps = spending_caps(max_dollars, max_generations, max_tokens, deadline)
    _check_plot(plot)
    if session is not None:
        found = load_front(session, storage)
    else:
        with (
            observing(as_json=as_json) as observer,
            beside(observer, mlflow=mlflow, otel=otel) as observers,
        ):
            found = search_front(
                task,
                budget,
                trials,
                seed,
                storage,
                searcher=searcher,
                batch=batch,
                cost=cost,
                cost_settings=named_values("--cost-set", cost_settings),
                caps=cap_limits(cap),
                measured=read_measured(measured),
                task_options=task_options(settings, model),
                searcher_options=named_values("--searcher-set", searcher_settings),
                executor=executor,
                executor_options=named_values("--executor-set", executor_settings),
                spending=caps,
                confirm=confirmation(caps, yes=yes, dry_run=dry_run, as_json=as_json),
                observer=observers,
            )
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        print_front(Terminal(), found)
    if plot is not None:
        written = found.plot(plot)
        Terminal(stderr=True, quiet=as_json, soft_wrap=True, highlight=False).print(f"Written to {written}")


def print_front(console: Console, found: Front) -> None:
    """One row a point, the cheapest first, and how to read it."""
    from agenttts.cli.happened import print_happened
    from agenttts.cli.summary import print_heading

    print_heading(console, found.result, f"budgets up to {found.result.config.budget:,.4g} {found.unit}")
    print_happened(console, found.result)
    if not found.points:
        console.print("The front is judged when the search is done; go on with: agenttts resume")
        return
    table = Table("from", "subtask", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("choice", overflow="fold")
    table.add_column("search score", no_wrap=True)
    table.add_column("held-out score", no_wrap=True)
    for point in found.points:
        held_out = point.held_out.score
        scores = [
            f"{mean:.3f} [{interval.low:.2f}, {interval.high:.2f}]"
            for mean, interval in ((point.trial.score or 0.0, point.trial.interval), (held_out.mean, held_out.interval))
        ]
        for place, (subtask, choice) in enumerate(point.allocation.items()):
            first = [f"{point.cost:,.4g}", *scores] if place == 0 else ["", "", ""]
            table.add_row(first[0], subtask, str(choice), *first[1:])
    console.print(table)
    console.print(
        f"From that many {found.unit} on, the allocation beside it is expected to do best; 95% intervals. The held-out "
        "examples took no part in choosing, so their scores need not rise with the cost."
    )


def _check_plot(path: Path | None) -> None:
    """Before the work, since a file that cannot be written would lose its figure."""
    from agent.comparison.plots import FORMATS, require_matplotlib

    if path is None:
        return
    if path.suffix.lstrip(".") not in FORMATS:
        raise InvalidInput("--plot", f"{path.name!r} must end in one of: {', '.join(FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise InvalidInput("--plot", f"the folder of {path} does not exist")
    require_matplotlib()
