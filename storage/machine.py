"""Which machine and process this is, and whether a process of this machine still runs."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

SAME_START = 1.5
"""Seconds within which two starts of one process id are one process: ids do not come round as fast."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process: the machine it runs on, its id there and when it began, in seconds since the machine did."""

    host: str
    machine: str
    pid: int
    began: float

    @classmethod
    def here(cls) -> ProcessIdentity:
        """This process."""
        return cls(socket.gethostname()[:255], machine_identity(), os.getpid(), _began(psutil.Process()))

    def is_gone(self) -> bool:
        """Whether it surely runs no more; of another machine's processes that is never known."""
        if self.machine != machine_identity():
            return False
        try:
            process = psutil.Process(self.pid)
            return process.status() == psutil.STATUS_ZOMBIE or abs(_began(process) - self.began) > SAME_START
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


@cache
def machine_identity() -> str:
    """A text that only processes share that can see each other by their ids."""
    # Containers have names of their own but share the kernel's boot; their process ids differ by namespace.
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()[:100]}/{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()[:100]


def _began(process: psutil.Process) -> float:
    # Both move with the machine's clock, their difference does not.
    return float(process.create_time() - psutil.boot_time())
