"""Arguments of every command: good ones that do little, and hostile ones in place of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import typer

from agenttts.cli.app import app
from tests.fuzz.hostile import argument
from tests.fuzz.session import finished

SESSION = "session.db"
"""A small finished session's database, which commands about sessions read."""
SMALL = ["simulated-2wiki", "--set", "search_examples=3", "--set", "held_out_examples=3"]
STORED = ["--storage", SESSION]
GOOD: Mapping[str, list[str]] = {
    "search": [*SMALL, "--trials", "2", "--batch", "2", "--searcher", "random"],
    "pareto": [*SMALL, "--trials", "2", "--batch", "2", "--searcher", "random"],
    "compare": ["simulated-2wiki", "--searchers", "random", "--seeds", "1", "--trials", "1", "--workers", "1"],
    "init": ["started"],
    "check": SMALL,
    "resume": ["last", *STORED],
    "show": ["last", *STORED],
    "export": ["last", *STORED, "--output", "-"],
    "serve": ["last", *STORED, "--port", "0"],
    "record": ["--examples", "1", "--model", "m:1B@http://127.0.0.1:9/v1", "--storage", "recording.db"],
    "tasks": [],
    "budget": SMALL,
    "report": ["last", *STORED, "--output", "written.html"],
    "import": ["good.jsonl", "--storage", "imported.db"],
    "replay": ["good.jsonl"],
    "sessions": STORED,
    "ui": ["--port", "0", *STORED],
    "graph": ["--mermaid"],
    "doctor": ["--storage", SESSION],
    "measure": ["--session", "last", *STORED],
}
LONG = {"--trials", "--seeds", "--batch"}
"""Options whose large values are good ones that take long."""


@cache
def parameters() -> Mapping[str, list[tuple[str, bool]]]:
    """Every command's options by name, and whether each is a flag; arguments have the name ""."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {
        name: [
            ("" if p.param_type_name == "argument" else p.opts[0], bool(getattr(p, "is_flag", False)))
            for p in command.params
            if p.opts[0] not in ("--help", "--install-completion", "--show-completion")
        ]
        for name, command in found.items()
    }


def with_value(command: str, option: str, value: str) -> list[str]:
    """The good arguments of a command with a value in place of an option's (or of its argument, for "")."""
    good = list(GOOD.get(command, []))
    if option == "":
        return [command, "--", value] if not good else [command, value, *good[0 if good[0].startswith("-") else 1 :]]
    return [command, *good, option, value]


def every(values: Any) -> Iterator[list[str]]:
    """Each of the values in each place of each command."""
    for command, options in parameters().items():
        for option, flag in options:
            for value in values:
                if not flag and not _takes_long(option, value):
                    yield with_value(command, option, value)


def drawn(random: Random, among: Sequence[str] = ()) -> list[str]:
    """A command with some hostile values, and at times with arguments that no command has."""
    command = random.choice(list(among or parameters()))
    arguments = [command, *GOOD.get(command, [])]
    for _ in range(random.randrange(1, 3)):
        option, flag = random.choice(parameters()[command])
        value = argument(random)
        if flag:
            arguments.append(option)
        elif option == "":
            arguments = with_value(command, "", value)
        elif not _takes_long(option, value):
            arguments += [option, value]
    if random.random() < 0.1:
        arguments.insert(random.randrange(len(arguments) + 1), argument(random))
    return arguments


def prepare(folder: Path) -> None:
    """The files that the good arguments name."""
    database, log = finished()
    (folder / SESSION).write_bytes(database)
    (folder / "good.jsonl").write_text(log, encoding="ascii")


def _takes_long(option: str, value: str) -> bool:
    if option not in LONG:
        return False
    try:
        return int(value) > 3
    except ValueError:
        return False
