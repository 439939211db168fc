"""What the comparison scripts share: their options, their progress bar, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from agent.comparison.compare import compare
from agent.comparison.plan import SearcherEntry, TaskEntry
from agent.comparison.result import Comparison
from agenttts.cli.compare import ProgressBar, present, searcher_entries
from tools.errors import InvalidInput

PAPER_TASKS = (
    "simulated-2wiki",
    "simulated-hotpot",
    "simulated-cwq",
    "simulated-webqsp",
    "simulated-taskbench",
    "simulated-chatdev",
)
SEARCHERS = ("planner", "random", "tpe")
"""The fastest; those with a language model need an endpoint."""


def parser(description: str | None, name: str, *, tasks: Sequence[str], seeds: int) -> argparse.ArgumentParser:
    """The options of a script called `name`, with its defaults."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tasks", nargs="+", default=list(tasks), help="default: %(default)s")
    options.add_argument("--seeds", type=int, default=seeds, help="problems of each task, default: %(default)s")
    options.add_argument("--first-seed", type=int, default=1, help="seeds count from here, default: %(default)s")
    options.add_argument("--trials", type=int, default=50, help="default: %(default)s")
    options.add_argument("--workers", type=int, help="processes, default: one a processor")
    options.add_argument("--output", type=Path, default=Path("results") / name, help="default: %(default)s")
    options.add_argument("--plots", choices=["svg", "png", "pdf", "none"], default="svg", help="default: %(default)s")
    return options


def add_searchers(options: argparse.ArgumentParser, default: Sequence[str] = SEARCHERS) -> None:
    """Lets the user choose the searchers; the others are paired with the first."""
    options.add_argument("--searchers", nargs="+", default=list(default), help="default: %(default)s")


def named(searchers: Sequence[str]) -> list[SearcherEntry]:
    """Searchers by name, or as LABEL=NAME."""
    return searcher_entries(searchers, None)


def run_script(
    arguments: argparse.Namespace,
    tasks: Sequence[str | TaskEntry],
    searchers: Sequence[SearcherEntry],
    *,
    budgets: Sequence[float | str] = ("medium",),
    cost: str | None = None,
    show: Callable[[Console, Comparison], None] | None = None,
) -> None:
    """Runs the comparison, prints it, writes its files and exits: 1 when runs failed, 2 on bad input.

    `show` prints a table of the script's own last.
    """
    try:
        with ProgressBar(Console(stderr=True)) as bar:
            comparison = compare(
                tasks,
                searchers,
                seeds=arguments.seeds,
                first_seed=arguments.first_seed,
                trials=arguments.trials,
                budgets=budgets,
                cost=cost,
                workers=arguments.workers,
                report=bar,
            )
    except InvalidInput as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    present(comparison, arguments.output, arguments.plots)
    if show:
        show(Console(), comparison)
    sys.exit(1 if comparison.failures else 0)
