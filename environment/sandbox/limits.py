"""What a sandboxed program may use, how it may be isolated, and what its run gives."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tools.errors import AgentttsError, InvalidInput
from tools.text import shortened
from tools.validation import is_count

BUBBLEWRAP, NAMESPACES, LANDLOCK, LIMITS = "bubblewrap", "namespaces", "landlock", "limits"
LEVELS = (BUBBLEWRAP, NAMESPACES, LANDLOCK, LIMITS)
"""Isolation levels, strongest first; docs/sandbox.md tells what each one guarantees."""

STRONGEST = "strongest"
MEBIBYTE = 1 << 20


class SandboxError(AgentttsError):
    """The sandbox itself failed, so that nothing is known about the program."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one run; the program is ended, or refused more, where it reaches one.

    `cpu_seconds`, `file_bytes` and `open_files` hold for each process; the others for the whole
    run. `memory_bytes` bounds each process's address space and the memory of all of them
    together. `output_bytes` bounds each of stdout and stderr. `disk_bytes` and `files` bound what
    the program's folder holds.
    """

    cpu_seconds: int = 10
    wall_seconds: float = 60.0
    memory_bytes: int = 512 * MEBIBYTE
    processes: int = 32
    file_bytes: int = 16 * MEBIBYTE
    disk_bytes: int = 64 * MEBIBYTE
    files: int = 2000
    open_files: int = 64
    output_bytes: int = MEBIBYTE

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "wall_seconds":
                if not isinstance(value, int | float) or not 0 < value < float("inf"):
                    raise InvalidInput(field.name, f"must be a number of seconds above 0, got {shortened(value)}")
            elif not is_count(value):
                raise InvalidInput(field.name, f"must be a whole number of 1 or more, got {shortened(value)}")


@dataclass(frozen=True, slots=True)
class SandboxRun:
    """How a program ended.

    `exit` is its exit status, 128 + n where signal n ended it. `killed_for` names the limit that
    ended it: "cpu", "wall", "memory", "processes", "disk" or "output", else "". `isolation` is the
    level it ran at.
    """

    exit: int
    stdout: str
    stderr: str
    killed_for: str
    seconds: float
    isolation: str

    @property
    def timed_out(self) -> bool:
        """Whether its time, of the processor or on the wall, ran out."""
        return self.killed_for in ("cpu", "wall")
