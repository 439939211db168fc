"""The `agenttts` command: every subcommand, and one way to fail."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version

import typer
from rich.console import Console

from agenttts.cli import budget, check, compare, export, init, measure, pareto, record, search, serve, show, tasks
from tools.errors import AgentttsError, InvalidInput

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130

app = typer.Typer(
    name="agenttts",
    help="Search for the compute-optimal model and sample allocation of a multi-stage LLM pipeline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("search")(search.search)
app.command("pareto")(pareto.pareto)
app.command("compare")(compare.compare)
app.command("init")(init.init)
app.command("check")(check.check)
app.command("resume")(search.resume)
app.command("show")(show.show)
app.command("export")(export.export)
app.command("serve")(serve.serve)
app.command("record")(record.record)
app.command("tasks")(tasks.tasks)
app.command("budget")(budget.budget)
app.command("measure")(measure.measure)


@app.callback(invoke_without_command=True)
def options(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens to standard error."),
    show_version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    """Options before the subcommand."""
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, stream=sys.stderr)
    if show_version:
        typer.echo(version("agenttts"))
        raise typer.Exit


def main() -> None:
    """Runs the command: exit code 0 done, 1 failed, 2 bad input, 130 interrupted."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    try:
        app()
    except InvalidInput as error:
        errors.print(f"Error: {error}")
        sys.exit(BAD_INPUT)
    except AgentttsError as error:
        errors.print(f"Failed: {error}")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        errors.print("Interrupted. Finished work is stored; go on with: agenttts resume last")
        sys.exit(INTERRUPTED)
