"""One attempt to get something hostile in, and what of it breaks the promise about bad input."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agenttts.cli.app import main
from tools.errors import AgentttsError, InvalidInput

LONGEST_LINE = 2_000
"""Characters of a message that a person still reads."""
SECONDS = 60
"""A command on a handful of examples that takes longer hangs."""


class Hung(BaseException):
    """Nothing came back in time; no `except Exception` may swallow it."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def run_command(arguments: Sequence[str], folder: Path) -> Ended:
    """Runs a command in this process, as a shell in `folder` would."""
    written, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(written, encoding="utf-8", errors="surrogateescape", write_through=True)
    before, home = sys.argv, Path.cwd()
    os.chdir(folder)
    sys.argv = ["agenttts", *arguments]
    code: Any = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), in_time(), columns(200):
            main()
    except SystemExit as left:
        code = left.code
    finally:
        sys.argv = before
        os.chdir(home)
    return Ended(code or 0, written.getvalue().decode(errors="replace"), err.getvalue())


def broken_by_command(arguments: Sequence[str], folder: Path) -> str:
    """What a command broke of the promise; "" where it kept it.

    It may do its work, or refuse it: exit code 2 and one line that names the field and the fix, with
    no session left behind.
    """
    before = sessions_in(folder)
    try:
        ended = run_command(arguments, folder)
    except Hung:
        return f"hung for {SECONDS} s"
    except BaseException as error:  # noqa: BLE001 - that is what is looked for
        return f"raised {type(error).__name__}: {error}"
    if "Traceback" in ended.err or "a fault of agenttts" in ended.err:
        return f"a fault: {ended.err[-LONGEST_LINE:]}"
    if ended.code == 0:
        return ""
    if ended.code == 2 and sessions_in(folder) != before:
        return f"left a session behind: {ended.err}"
    if ended.code == 2:
        told = ended.err.removeprefix("Error: ")
        return not_one_line(_heading(told) if "check" in arguments else told, ended.err.startswith("Error: "))
    if ended.code == 1 and ended.out and not ended.err and arguments[0] in ("replay", "doctor"):
        return ""  # done, and what was looked at is not as it should be
    if ended.code == 1 and ended.err.startswith("Failed: database"):
        return "" if ended.err.count("\n") == 1 else f"not one line: {ended.err}"
    return f"exit code {ended.code}: {ended.err[-LONGEST_LINE:]}"


def broken_by_call(call: Callable[[], Any], folder: Path) -> str:
    """What a call of the API, made in a folder, broke: it may return, or raise an AgentttsError of one line."""
    try:
        with contextlib.chdir(folder), in_time():
            call()
    except InvalidInput as error:
        return not_one_line(f"{error}\n")
    except AgentttsError as error:
        return "" if "\n" not in str(error) else f"not one line: {error}"
    except Hung:
        return f"hung for {SECONDS} s"
    except BaseException as error:  # noqa: BLE001 - that is what is looked for
        return f"raised {type(error).__name__}: {str(error)[:LONGEST_LINE]}"
    return ""


def not_one_line(told: str, begun: bool = True) -> str:
    """What is wrong with a message: "FIELD: problem; fix", short enough, on one line."""
    lines = told.rstrip("\n").split("\n")
    if not begun or len(lines) != 1 or ": " not in lines[0] + " ":
        return f"not one line that names the field: {told!r}"
    return f"a line of {len(lines[0]):,} characters: {lines[0][:300]}" if len(lines[0]) > LONGEST_LINE else ""


def _heading(told: str) -> str:
    """The first line of a list of a file's mistakes, a line for each; anything else as it is."""
    heading, *lines = told.rstrip("\n").split("\n")
    listed = heading.endswith(f": has {len(lines)} mistakes:")
    return heading if listed and all(line.startswith("  line ") and ": " in line for line in lines) else told


def sessions_in(folder: Path) -> int:
    """How many sessions the databases in a folder hold."""
    total = 0
    for path in [*folder.glob("*.db"), *folder.glob("*.sqlite")]:
        with (
            contextlib.suppress(sqlite3.Error, UnicodeDecodeError),
            contextlib.closing(sqlite3.connect(path)) as database,
        ):
            total += database.execute("SELECT count(*) FROM sessions").fetchone()[0]
    return total


@contextlib.contextmanager
def in_time(seconds: int = SECONDS) -> Iterator[None]:
    """Raises Hung in the block when it takes longer; in the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def columns(count: int) -> Iterator[None]:
    """A terminal of that width."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
