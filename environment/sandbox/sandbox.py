"""Runs model-written programs: the one door to the sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache
from pathlib import Path

import environment
from environment.sandbox import syscall_filter
from environment.sandbox.limits import (
    BUBBLEWRAP,
    LANDLOCK,
    LEVELS,
    LIMITS,
    STRONGEST,
    Limits,
    SandboxError,
    SandboxRun,
)
from environment.sandbox.machine import bubblewrap, drops, place_for, temporary_folder
from environment.sandbox.order import Order, stays_inside
from tools.errors import InvalidInput, UnknownName
from tools.text import shortened
from tools.validation import is_count

CODE = Path(environment.__file__).parents[1]
SUPERVISOR = f"import sys; sys.path.insert(0, {str(CODE)!r}); from environment.sandbox.supervisor import main; main()"
PROBE = Limits(wall_seconds=30.0)
FIRST_PROGRAM = "import json, os, tempfile; open(os.devnull, 'r+'); tempfile.TemporaryFile(); print('ready')"


class Sandbox:
    """Runs programs that nobody has read, each in a process tree of its own that ends with it.

    Any thread may call `run`; at most `workers` programs run at a time, by default one for each
    processor. `isolation` is one of `LEVELS`, or "strongest": the strongest one that works on this
    machine, but never one at which the program could change the user's own files.
    """

    def __init__(self, limits: Limits | None = None, isolation: str = STRONGEST, *, workers: int | None = None) -> None:
        """Tries the isolation out. Raises InvalidInput where it is not to be had, with the reason."""
        if workers is not None and not is_count(workers):
            raise InvalidInput("workers", f"must be a whole number of 1 or more, got {shortened(workers)}")
        self.limits = limits or Limits()
        self.isolation = _resolve(isolation)
        self._slots = threading.BoundedSemaphore(workers or os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="sandbox")

    def run(self, files: Mapping[str, str], command: Sequence[str], stdin: str | None = "") -> SandboxRun:
        """How `command` ended, started in a fresh folder that holds `files` (relative name to text).

        `stdin` is the program's input; None leaves it open and silent. "python3" in the command is
        a Python of the machine with the standard library. Raises InvalidInput for a file name that
        leads outside or an empty command, SandboxError when the sandbox itself fails.
        """
        for name in files:
            if not stays_inside(name):
                raise InvalidInput("files", f"{name!r} must be a relative name without '..'")
        if not command or any("\0" in word for word in command):
            raise InvalidInput("command", "must name a program, without null characters")
        with self._slots:
            return _run(self.isolation, self.limits, files, command, stdin)

    async def run_async(self, files: Mapping[str, str], command: Sequence[str], stdin: str | None = "") -> SandboxRun:
        """`run` without holding up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.run, files, command, stdin)


def available() -> Mapping[str, str]:
    """Each level, strongest first, with why it is not to be had here; "" where it works."""
    return {level: _missing(level) for level in LEVELS}


def _resolve(isolation: str) -> str:
    if isolation != STRONGEST:
        if isolation not in LEVELS:
            raise UnknownName("isolation", isolation, (STRONGEST, *LEVELS))
        if reason := _missing(isolation):
            weaker = next((level for level in LEVELS if not _missing(level)), "none")
            raise InvalidInput(
                "isolation", f"{isolation!r} is not to be had here ({reason}); the strongest is {weaker!r}"
            )
        return isolation
    for level in LEVELS:
        if not _missing(level) and (level != LIMITS or drops()):
            return level
    reasons = "; ".join(f"{level}: {reason}" for level, reason in available().items() if reason)
    raise InvalidInput(
        "isolation",
        "nothing here keeps a program from the user's own files; install bubblewrap, "
        f"or accept that with isolation={LIMITS!r} ({reasons})",
    )


@cache
def _missing(level: str) -> str:
    """Why a level does not work on this machine, found by trying; "" where it does."""
    if sys.platform != "linux":
        return "it needs Linux"
    if level == BUBBLEWRAP and not bubblewrap():
        return "bwrap is not installed"
    if level in (LANDLOCK, LIMITS) and not syscall_filter.supported():
        return "no system-call filter for this processor"
    try:
        probe = _run(level, PROBE, {}, ["python3", "-c", FIRST_PROGRAM], "")
    except SandboxError as error:
        return str(error)
    return "" if probe.stdout == "ready\n" else f"a first program failed: {probe.stderr.strip()[-200:]}"


def _run(
    isolation: str, limits: Limits, files: Mapping[str, str], command: Sequence[str], stdin: str | None
) -> SandboxRun:
    place = place_for(isolation, drops())
    order = Order(
        files=dict(files),
        command=list(command),
        stdin=stdin,
        isolation=isolation,
        limits=asdict(limits),
        readable=place.readable,
        search_path=place.search_path,
        temporary=temporary_folder(drops()),
        bubblewrap=bubblewrap(),
        drop=drops(),
    )
    ours, lifeline = os.pipe()[::-1]
    # The environment stays here, with its keys. The lifeline ends when this process does, which
    # ends the program too.
    try:
        with subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", "-c", SUPERVISOR, str(lifeline)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env={},
            pass_fds=(lifeline,),
            start_new_session=True,
        ) as supervisor:
            os.close(lifeline)
            try:
                answer, trouble = supervisor.communicate(order.to_json().encode())
            finally:
                os.close(ours)
    except OSError as error:
        raise SandboxError(f"the sandbox's supervisor cannot be started: {error}") from None
    try:
        result = json.loads(answer)
    except ValueError:
        words = trouble.decode(errors="replace").strip()[-500:]
        raise SandboxError(f"the sandbox's supervisor failed: {words}") from None
    if "failed" in result:
        raise SandboxError(f"the program could not be isolated: {result['failed'][-500:]}")
    return SandboxRun(**result, isolation=isolation)
