"""The `agenttts` command: every subcommand, and one way to fail."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from agenttts.cli.completion import DEFAULT_STORAGE, STORAGE_ENV
from agenttts.cli.streams import log_to_stderr, tolerate_any_text
from tools.declared import unusable_path
from tools.errors import LONGEST_PROBLEM, AgentttsError, InvalidInput, SessionInterrupted, SpendingCapReached
from tools.text import one_line

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
LOG = logging.getLogger(__name__)

COMMANDS: Mapping[str, tuple[str, str]] = {
    "search": ("search:search", "Search for the best allocation of a task within a budget."),
    "pareto": ("pareto:pareto", "Search score against cost in one go and show what every budget buys."),
    "compare": (
        "compare:compare",
        "Compare searchers on the same problems: true scores, regret, trials and generations, paired statistics.",
    ),
    "init": ("init:init", "Write a commented pipeline and a small data set that run as they are."),
    "check": (
        "check:check",
        "Check a pipeline and show its prompts and what a search of it would take; nothing is sent anywhere.",
    ),
    "resume": ("search:resume", "Go on with a session that was stopped; nothing finished is done or paid again."),
    "sessions": (
        "sessions:sessions",
        "List the stored sessions, the newest first: what each searched, how it stands and its best score.",
    ),
    "show": ("show:show", "Show a session's result, its trials, guidelines and transcripts."),
    "report": (
        "report:report",
        "Write a session's report: one HTML file that needs no network. Nothing is generated for it.",
    ),
    "export": (
        "export:export",
        "Write a session as one self-contained log; or its best allocation as a pipeline; or an Optuna study.",
    ),
    "graph": ("graph:graph", "Draw the search loop, or write it out for LangGraph Studio."),
    "import": ("import_:import_", "Bring a log's session into a database, whole or not at all."),
    "replay": (
        "replay:replay",
        "Make every decision of a log again, offline, and compare: exit code 1 where one differs.",
    ),
    "serve": ("serve:serve", "Answer chat requests with a session's best allocation until interrupted."),
    "ui": (
        "ui:ui",
        "Show the stored sessions in the browser: a list, live progress, reports, comparisons, stop and resume.",
    ),
    "record": (
        "record:record",
        "Fill the sample store for every allocation of a task's grid and write it as one file.",
    ),
    "tasks": ("tasks:tasks", "List the known tasks."),
    "budget": (
        "budget:budget",
        "Show a task's default budget, what one sample of each model costs and how many allocations fit.",
    ),
    "measure": (
        "measure:measure",
        "Measure the tokens and seconds of a recorded task's or a session's requests; nothing is generated.",
    ),
    "doctor": (
        "doctor:doctor",
        "Check Python, extras, the database, the sandbox and every endpoint, and say what to fix.",
    ),
}
"""Each subcommand's module and function, and the first line of its help.

Told here, so that the list of all of them loads none.
"""


class Commands(TyperGroup):
    """The subcommands, each imported when it is called for."""

    def __init__(self, **attributes: Any) -> None:
        # Rich's panels take longer to load than everything else that the list needs.
        super().__init__(**{**attributes, "rich_markup_mode": None})

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The subcommand; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name][0].split(":")
        alone = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
        alone.command(cmd_name)(getattr(import_module(f"agenttts.cli.{module}"), function))
        return typer.main.get_command(alone)

    def invoke(self, ctx: Any) -> Any:
        """Runs a command; an interrupt is told here, since typer keeps none for later."""
        try:
            return super().invoke(ctx)
        except SessionInterrupted as stopped:
            line = f"Interrupted. Finished work is stored; go on with: {_resumption(stopped)}"
            raise typer.Exit(_told(INTERRUPTED, line)) from None
        except KeyboardInterrupt:
            raise typer.Exit(_told(INTERRUPTED, "Interrupted.")) from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the list of subcommands into the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


app = typer.Typer(
    name="agenttts",
    cls=Commands,
    help="Search for the compute-optimal model and sample allocation of a multi-stage LLM pipeline.",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens to standard error."),
    show_version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    """Options before the subcommand."""
    log_to_stderr(verbose=verbose)
    if show_version:
        from importlib.metadata import version

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
    # Searchers' matrices are small: numpy's threads would wait for each other and take several times the processor
    # time, and results would be rounded by how many there are. Read when numpy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
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
    except BrokenPipeError:
        sys.stdout = None  # its reader has left, and Python would complain once more at its end
        code = FAILED
    except Exception as error:
        if isinstance(error, OSError) and (refused := unusable_path(error)) is not None:
            sys.exit(_told(BAD_INPUT, f"Error: {refused}"))
        LOG.info("an error that no one foresaw", exc_info=True)
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        code = _told(FAILED, f"Failed: {problem} (a fault of agenttts; `agenttts -v ...` shows where)")
    sys.exit(code)


def _resumption(stopped: SessionInterrupted) -> str:
    from storage.database import shown_url

    command = ["agenttts", "resume", stopped.session_id]
    if stopped.storage not in (DEFAULT_STORAGE, os.environ.get(STORAGE_ENV)):
        shown = shown_url(stopped.storage)
        command += ["--storage", shown if "***" in shown else stopped.storage]
    return shlex.join(command)


def _told(code: int, line: str) -> int:
    from agenttts.cli.terminal import Terminal

    Terminal(stderr=True, soft_wrap=True, highlight=False).print(line)
    return code


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the arguments, which of them, and where to read what is right."""
    context: typer.Context | None = getattr(error, "ctx", None)
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    field = f"{context.command_path}: " if context else ""
    hint = f"; see `{context.command_path} --help`" if context else ""
    return f"{field}{one_line(message, LONGEST_PROBLEM).rstrip('.')}{hint}"
