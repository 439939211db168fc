"""The process table, and how to end a whole tree. Standard library only."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

PAGE = os.sysconf("SC_PAGE_SIZE")
SECONDS_TO_END = 10.0


@dataclass(frozen=True)
class Process:
    """An entry of the process table; `memory` in bytes."""

    pid: int
    parent: int
    threads: int
    memory: int


def table() -> Iterator[Process]:
    """Every process there is."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                text = file.read()
        except OSError:  # it ended meanwhile
            continue
        # The command's name, in parentheses, may hold anything.
        fields = text[text.rindex(b")") + 2 :].split()
        yield Process(int(name), int(fields[1]), int(fields[17]), int(fields[21]) * PAGE)


def descendants(root: int) -> list[Process]:
    """The children of a process, their children and so on."""
    children: dict[int, list[Process]] = {}
    for process in table():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += [process.pid for process in below]
    return found


def tasks_of_user(user: int) -> int:
    """How many threads run as a user: what its process limit counts."""
    count = 0
    for process in table():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{process.pid}").st_uid == user:
                count += process.threads
    return count


def end_descendants(group: int) -> dict[int, int]:
    """Kills a process group and every descendant, and gives the wait status of the reaped ones.

    The caller must be a subreaper, so that orphans stay its descendants. Killing a group is one
    step for the kernel, as is killing the first process of a process namespace; the loop is for
    what neither covers. Raises RuntimeError when something does not end.
    """
    ended: dict[int, int] = {}
    give_up = time.monotonic() + SECONDS_TO_END
    while True:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
        left = descendants(os.getpid())
        for process in left:
            with contextlib.suppress(OSError):
                os.kill(process.pid, signal.SIGKILL)
        ended |= reap()
        if not left:
            return ended
        if time.monotonic() > give_up:
            raise RuntimeError(f"processes {[process.pid for process in left]} do not end")
        time.sleep(0.002)


def reap() -> dict[int, int]:
    """The wait status of every child that has ended."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = found[1]
    return ended
