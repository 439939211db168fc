"""`agenttts compare`: searchers side by side over seeds."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from agenttts.cli.options import DEFAULT_TASK, AsJson, Cost, TaskOption, named_values
from agenttts.cli.terminal import Terminal
from tools.errors import InvalidInput

if TYPE_CHECKING:
    from agent.comparison.plan import SearcherEntry
    from agent.comparison.pool import Progress
    from agent.comparison.result import Comparison

FAILED, INTERRUPTED = 1, 130


class ProgressBar:
    """Shows how many runs are done and how many failed, from the first report on."""

    def __init__(self, console: Console) -> None:
        self._bar = Bar(
            TextColumn("comparing"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("runs{task.fields[failed]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("runs", total=None, failed="")

    def __call__(self, progress: Progress) -> None:
        self._bar.start()
        failed = f", {progress.failed} failed" if progress.failed else ""
        self._bar.update(self._task, completed=progress.done, total=progress.total, failed=failed)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        # Stopping what never started would print an empty line before an error.
        if self._bar.live.is_started:
            self._bar.stop()


def compare(
    tasks: Annotated[list[str] | None, typer.Argument(help="Simulated or recorded tasks.")] = None,
    searchers: Annotated[
        list[str] | None,
        typer.Option(help="Names, or LABEL=NAME to give one with options a label; commas or repeat."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Problems of each task and budget.")] = 20,
    trials: Annotated[int, typer.Option(help="Allocations each run tries.")] = 50,
    batch: Annotated[int, typer.Option(help="Allocations proposed at a time.")] = 10,
    budgets: Annotated[
        list[str] | None, typer.Option(help="Numbers or low, medium, high, default; commas or repeat.")
    ] = None,
    cost: Cost = None,
    settings: TaskOption = None,
    searcher_settings: Annotated[
        list[str] | None, typer.Option("--searcher-set", help="A searcher option as LABEL.NAME=VALUE; repeatable.")
    ] = None,
    reference: Annotated[str, typer.Option(help="The searcher that others are paired with. Default: the first.")] = "",
    first_seed: Annotated[int, typer.Option(help="Seeds count from here.")] = 1,
    workers: Annotated[int | None, typer.Option(help="Processes. Default: one a processor.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for CSV, JSON and plots.")] = None,
    plots: Annotated[str, typer.Option(help="svg, png, pdf or none.")] = "svg",
    report: Annotated[Path | None, typer.Option(help="Write a report into this HTML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare searchers on the same problems: true scores, regret, trials and generations, paired statistics.

    Examples:

      agenttts compare

      agenttts compare simulated-2wiki --searchers planner,random,tpe --seeds 20 --report compare.html
    """
    from agent.comparison.compare import compare as run_comparison
    from agent.comparison.plan import TaskEntry

    _check_output(output, plots)
    _check_report(report)
    options = named_values("--set", settings)
    with ProgressBar(Terminal(stderr=True, quiet=as_json)) as bar:
        try:
            comparison = run_comparison(
                [TaskEntry(name, options) for name in _listed(tasks) or [DEFAULT_TASK]],
                searcher_entries(_listed(searchers) or ["planner", "random", "tpe"], searcher_settings),
                seeds=seeds,
                trials=trials,
                batch=batch,
                budgets=[_budget(text) for text in _listed(budgets) or ["default"]],
                cost=cost,
                reference=reference,
                first_seed=first_seed,
                workers=workers,
                report=bar,
            )
        except KeyboardInterrupt:
            typer.echo("Interrupted. A comparison keeps nothing until it is done.", err=True)
            raise typer.Exit(INTERRUPTED) from None
    present(comparison, output, plots, as_json=as_json)
    if report is not None:
        comparison.report(report)
        Terminal(stderr=True, quiet=as_json, soft_wrap=True, highlight=False).print(f"Wrote {report}.")
    if comparison.failures:
        raise typer.Exit(FAILED)


def present(comparison: Comparison, output: Path | None, plots: str, *, as_json: bool = False) -> None:
    """Prints a comparison and writes its files."""
    from agent.comparison.plots import NONE
    from agenttts.cli.comparison_tables import print_comparison

    if as_json:
        typer.echo(json.dumps(comparison.to_dict(), indent=2))
    else:
        print_comparison(Terminal(), comparison)
    if output is None:
        return
    news = Terminal(stderr=True, quiet=as_json, soft_wrap=True, highlight=False)
    written = comparison.write(output)
    if plots != NONE:
        try:
            written += comparison.plot(output, file_format=plots)
        except InvalidInput as error:
            news.print(f"No plots: {error}")
    news.print(f"Written to {output}: {', '.join(path.name for path in written)}")


def searcher_entries(names: Sequence[str], settings: Sequence[str] | None) -> list[SearcherEntry]:
    """Searchers from NAME or LABEL=NAME, with the options given as LABEL.NAME=VALUE.

    Raises InvalidInput on a setting of another form or of a label that no searcher has.
    """
    from agent.comparison.plan import SearcherEntry

    labelled = {label: name or label for label, _, name in (text.partition("=") for text in names)}
    if len(labelled) < len(names):
        raise InvalidInput("--searchers", "a label stands twice; write LABEL=NAME to tell them apart")
    options: dict[str, dict[str, Any]] = {label: {} for label in labelled}
    for setting in settings or ():
        label, dot, rest = setting.partition(".")
        if not dot or label not in options:
            known = ", ".join(options)
            raise InvalidInput("--searcher-set", f"{setting!r} is not LABEL.NAME=VALUE with a label of: {known}")
        options[label] |= named_values("--searcher-set", [rest])
    return [SearcherEntry(name, options[label], label) for label, name in labelled.items()]


def _listed(values: Sequence[str] | None) -> list[str]:
    return [part.strip() for value in values or () for part in value.split(",") if part.strip()]


def _budget(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _check_output(output: Path | None, plots: str) -> None:
    """Before the work, since a folder that cannot be written would lose it."""
    from agent.comparison.plots import FORMATS, NONE

    if plots not in (*FORMATS, NONE):
        raise InvalidInput("--plots", f"{plots!r} is unknown; use one of: {', '.join((*FORMATS, NONE))}")
    if output is not None:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput("--output", f"the folder {output} cannot be made: {error.strerror}") from None
        if not os.access(output, os.W_OK):
            raise InvalidInput("--output", f"the folder {output} cannot be written; name another one")


def _check_report(report: Path | None) -> None:
    """As for the output: before the work."""
    from agent.reporting.style import require_plotly

    if report is None:
        return
    require_plotly()
    folder = report.absolute().parent
    if not os.access(folder, os.W_OK):
        raise InvalidInput("--report", f"the folder {folder} cannot be written; name another one")
