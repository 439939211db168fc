"""The `agenttts` command: every subcommand, and one way to fail."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version

import typer

from agenttts.cli import (
    budget,
    check,
    compare,
    doctor,
    export,
    import_,
    init,
    measure,
    pareto,
    record,
    report,
    search,
    serve,
    show,
    tasks,
)
from agenttts.cli.terminal import Terminal, log_to_stderr, tolerate_any_text
from tools.errors import AgentttsError, InvalidInput, SpendingCapReached

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
LOG = logging.getLogger(__name__)

app = typer.Typer(
    name="agenttts",
    help="Search for the compute-optimal model and sample allocation of a multi-stage LLM pipeline.",
    pretty_exceptions_enable=False,
)
app.command("search")(search.search)
app.command("pareto")(pareto.pareto)
app.command("compare")(compare.compare)
app.command("init")(init.init)
app.command("check")(check.check)
app.command("resume")(search.resume)
app.command("show")(show.show)
app.command("report")(report.report)
app.command("export")(export.export)
app.command("import")(import_.import_)
app.command("serve")(serve.serve)
app.command("record")(record.record)
app.command("tasks")(tasks.tasks)
app.command("budget")(budget.budget)
app.command("measure")(measure.measure)
app.command("doctor")(doctor.doctor)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens to standard error."),
    show_version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    """Options before the subcommand."""
    log_to_stderr(verbose=verbose)
    if show_version:
        typer.echo(version("agenttts"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(BAD_INPUT)


def main() -> None:
    """Runs the command: exit code 0 done, 1 failed, 2 bad input, 130 interrupted.

    Whatever goes wrong is told in one line, on standard error.
    """
    tolerate_any_text()
    try:
        code = app(prog_name="agenttts", standalone_mode=False)
    except typer.TyperException as error:
        code = _told(BAD_INPUT, f"Error: {_usage(error)}")
    except InvalidInput as error:
        code = _told(BAD_INPUT, f"Error: {error}")
    except SpendingCapReached as error:
        code = _told(FAILED, f"Stopped: {error}")
    except AgentttsError as error:
        code = _told(FAILED, f"Failed: {error}")
    except KeyboardInterrupt:
        code = _told(INTERRUPTED, "Interrupted. Finished work is stored; go on with: agenttts resume last")
    except BrokenPipeError:
        sys.stdout = None  # its reader has left, and Python would complain once more at its end
        code = FAILED
    except Exception as error:
        LOG.info("an error that no one foresaw", exc_info=True)
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        code = _told(FAILED, f"Failed: {problem} (a fault of agenttts; `agenttts -v ...` shows where)")
    sys.exit(code)


def _told(code: int, line: str) -> int:
    Terminal(stderr=True, soft_wrap=True, highlight=False).print(line)
    return code


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the arguments, which of them, and where to read what is right."""
    context: typer.Context | None = getattr(error, "ctx", None)
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    field = f"{context.command_path}: " if context else ""
    hint = f"; see `{context.command_path} --help`" if context else ""
    return f"{field}{' '.join(message.split()).rstrip('.')}{hint}"
