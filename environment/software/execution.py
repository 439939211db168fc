"""Whether a whole program starts and runs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from environment.sandbox.limits import Limits
from environment.software.checking import shortened
from environment.software.programs import Programs

STARTING = Limits(cpu_seconds=30, wall_seconds=5, memory_bytes=512 << 20, processes=32)
"""A program that is still running after these seconds, waiting for its user, counts as running."""

COMMAND = ("python3", "main.py")
TRACEBACK = "Traceback (most recent call last)"
PLACE = re.compile(r'File "[^"]*main\.py", line (\d+)')


@dataclass(frozen=True, slots=True)
class Start:
    """Whether a program runs without an error, and in words what happened."""

    runs: bool
    happened: str


def start(programs: Programs, code: str) -> Start:
    """Starts a program with an open input in which nobody writes (ChatDev's executability).

    It runs if it ends with status 0 or is still at it when its time is over, and writes no
    traceback. Raises SandboxError when nothing can be run.
    """
    if not code:
        return Start(False, "there is no program")
    run = programs.run({"main.py": code}, COMMAND, None)
    if TRACEBACK in run.stderr or "SyntaxError" in run.stderr:
        *_, last = run.stderr.strip().splitlines()
        lines = PLACE.findall(run.stderr)
        return Start(False, shortened(f"{last} (line {lines[-1]})" if lines else last))
    if run.killed_for == "wall":
        return Start(True, "the program runs and waits")
    if run.killed_for:
        return Start(False, f"the program reaches a limit: {run.killed_for}")
    if run.exit:
        return Start(False, shortened(f"the program ends with status {run.exit}: {run.stderr}"))
    return Start(True, shortened(f"the program ends without an error and prints: {run.stdout}"))
