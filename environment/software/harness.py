"""Runs inside the sandbox, beside a program: makes calls and runs tests, each in a process of its own.

Reads a JSON order from stdin and writes to what was stdout a JSON line for the loading, number 0,
and one for each call and test, numbered on. What ends its process without a word has no line.
Expected values never come here: whoever sent the order compares. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

LONGEST = 20_000
WALL = 4
"""Seconds on the wall for each second of the processor's."""

Report = dict[str, Any]


def main() -> NoReturn:
    """Loads program.py once; every call and test then runs on a copy of what it left."""
    order = json.load(sys.stdin)
    results = os.dup(1)
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silent, stream)
    namespace: dict[str, Any] = {"__name__": "program"}
    report = loaded(namespace, order["seconds"])
    write(results, 0, {"error": report} if report else {})
    if not report:
        calls = [partial(called, namespace, order["entry"], arguments) for arguments in order["calls"]]
        tests = [partial(tested, namespace, test) for test in order["tests"]]
        for number, work in enumerate((*calls, *tests), 1):
            alone(results, number, order["seconds"], work)
    os._exit(0)


def loaded(namespace: dict[str, Any], seconds: int) -> str:
    """Runs the program's own statements; gives the error in words, "" without one."""

    def stop(*_: object) -> NoReturn:
        raise TimeoutError("takes too long")

    for number, timer, limit in (
        (signal.SIGPROF, signal.ITIMER_PROF, seconds),
        (signal.SIGALRM, signal.ITIMER_REAL, WALL * seconds),
    ):
        signal.signal(number, stop)
        signal.setitimer(timer, limit)
    try:
        with open("program.py", encoding="utf-8") as file:
            source = file.read()
        exec(compile(source, "program.py", "exec"), namespace)  # noqa: S102 - what the sandbox is for
        return ""
    except BaseException as error:  # noqa: BLE001 - a program may raise anything
        return told(error)
    finally:
        for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
            signal.setitimer(timer, 0)


def alone(results: int, number: int, seconds: int, work: Callable[[], Report]) -> None:
    """Writes what `work` gives, computed in a process that has `seconds` of time."""
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, WALL * seconds)
        try:
            report = work()
        except BaseException as error:  # noqa: BLE001 - a program may raise anything
            report = {"error": f"raises {told(error)}"}
        write(results, number, report)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        late = -status in (signal.SIGALRM, signal.SIGXCPU, signal.SIGKILL)
        write(results, number, {"error": "takes too long" if late else "crashes the interpreter"})


def called(namespace: dict[str, Any], entry: str, arguments: list[Any]) -> Report:
    """A call's value."""
    value = namespace[entry](*arguments)
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return {"error": f"returns a value of type {type(value).__name__}, which no check expects"}
    return {"value": value} if len(text) <= LONGEST else {"error": "returns a value that is too long"}


def tested(namespace: dict[str, Any], test: str) -> Report:
    """That a test, some statements, ran without an error."""
    exec(compile(test, "test.py", "exec"), dict(namespace))  # noqa: S102 - what the sandbox is for
    return {"passed": True}


def told(error: BaseException) -> str:
    """An error in one line, with the program's line where it arose."""
    lines: list[int | None] = []
    words = ""
    with contextlib.suppress(Exception):
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "program.py"]
        if isinstance(error, SyntaxError) and error.filename == "program.py":
            lines = [error.lineno]
        words = str(error.msg if isinstance(error, SyntaxError) else error)[:200]
    return f"{type(error).__name__}{': ' * bool(words)}{words}{f' (line {lines[-1]})' if lines else ''}"


def write(results: int, number: int, report: Report) -> None:
    """One line."""
    os.write(results, json.dumps({"number": number, **report}).encode() + b"\n")


if __name__ == "__main__":
    main()
