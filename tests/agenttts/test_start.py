"""What a command loads before it does anything: what it needs and no more."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from agenttts.cli.app import COMMANDS

HEAVY = {"alembic", "jinja2", "langgraph", "numpy", "openai", "optuna", "pandas", "plotly", "pydantic", "sqlalchemy"}
RUN = "import sys; sys.argv[0] = 'agenttts'\nfrom agenttts.cli.app import main\ntry: main()\nfinally: "


def loaded(*arguments: str) -> set[str]:
    """The modules that a command has loaded at its end."""
    tell = "print(' '.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", RUN + tell, *arguments], capture_output=True, text=True, timeout=60)
    return set(done.stderr.splitlines()[-1].split())


def test_the_list_of_commands_loads_no_command_and_nothing_that_only_they_need() -> None:
    modules = loaded("--help")
    assert {name.split(".")[0] for name in modules} & HEAVY == set()
    assert modules & {"rich.console", "importlib.metadata", "tools.space"} == set()
    assert modules & {f"agenttts.cli.{where.split(':')[0]}" for where, _ in COMMANDS.values()} == set()


@pytest.mark.parametrize("command", ["search", "compare", "show", "doctor"])
def test_the_help_of_a_command_loads_nothing_heavy(command: str) -> None:
    # Typer reads the declared types of options by pydantic where that is installed.
    assert {name.split(".")[0] for name in loaded(command, "--help")} & HEAVY <= {"pydantic"}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_tells_of_every_command_what_its_own_help_begins_with(command: str) -> None:
    where, summary = COMMANDS[command]
    module, function = where.split(":")
    documented = inspect.getdoc(getattr(import_module(f"agenttts.cli.{module}"), function)) or ""
    assert " ".join(documented.split("\n\n")[0].split()) == summary
