"""What a live search will come to, told and confirmed before anything is sent."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from agenttts.cli.terminal import Terminal
from tools.errors import InvalidInput

if TYPE_CHECKING:
    from agent.estimate import Work
    from agent.outlook import Outlook
    from agent.search import Search
    from environment.task import Task
    from storage.session import SessionConfig
    from tools.spending import SpendingCaps

DECLINED = 1


def confirmation(
    caps: SpendingCaps, *, yes: bool, dry_run: bool, as_json: bool
) -> Callable[[Task, Search, SessionConfig], None]:
    """Tells and asks before a search that costs money; `yes` answers, `dry_run` ends any search after it is told.

    Raises InvalidInput where nobody can be asked, and typer.Exit where the search shall not be.
    """

    def confirm(task: Task, search: Search, config: SessionConfig) -> None:
        if not dry_run and (yes or not (task.priced_models or search.searcher.paid_model)):
            return
        if not dry_run and not sys.stdin.isatty():
            raise InvalidInput(
                "--yes",
                "is missing: this search costs money and standard input is no terminal, so that nobody can be asked; "
                "see what it may come to with --dry-run",
            )
        from agent.outlook import outlook

        found = outlook(task, search, config)
        if dry_run:
            if as_json:
                typer.echo(json.dumps(found.to_dict() | {"caps": caps.to_dict()}, indent=2))
            else:
                _tell(Terminal(), task, found, caps)
            raise typer.Exit
        _tell(Terminal(stderr=True), task, found, caps)
        if not typer.confirm("Search?", err=True):
            Terminal(stderr=True).print("Nothing was sent or stored.")
            raise typer.Exit(DECLINED)

    return confirm


def _tell(console: Console, task: Task, found: Outlook, caps: SpendingCaps) -> None:
    if not found.live:
        console.print(f"{task.name} sends nothing: it is {'simulated' if task.simulated else 'recorded'}.")
    console.print(f"First batch: about {_amount(found.first_batch)}.")
    console.print(f"Whole search, at most: {_amount(found.whole)}, were nothing reused.")
    console.print("By the declared token counts; prompts and answers may be longer. Every generation is paid once.")
    if found.live and found.priced and found.free:
        console.print(f"Without prices, and so counted as free: {', '.join(found.free)}.")
    if found.agent:
        console.print("The calls of the search agent's own model come on top.")
    limits = ", ".join(f"--{name.replace('_', '-')} {value}" for name, value in caps.to_dict().items())
    console.print(f"It ends at {limits}." if limits else "No cap ends it earlier; --max-dollars N does.")


def _amount(work: Work) -> str:
    tokens = work.prompt_tokens + work.generation_tokens
    return f"{work.generations:,.0f} generations, {tokens:,.0f} tokens, ${work.dollars or 0.0:,.2f}"
