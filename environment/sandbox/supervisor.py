"""The process that runs one program and outlives it: limits, output, the end of all. Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from typing import Any

from environment.sandbox import bubblewrap, namespaces
from environment.sandbox.kernel import PR_SET_CHILD_SUBREAPER, prctl
from environment.sandbox.launch import ORDER, READY, STATUS, launch
from environment.sandbox.order import BOX, FIRST_USER, USERS, Order
from environment.sandbox.processes import Process, descendants, end_descendants, reap

WATCH_SECONDS = 0.05
BLOCK = 1 << 16
OWN_ENTRIES = 3
OWN_PROCESSES = 3
"""What bubblewrap, or the namespaces' first processes, add to the program's own."""


def main() -> None:
    """Reads an order from stdin, runs it, and writes how it ended to stdout as JSON.

    The first argument is a descriptor that ends with the caller: then everything is ended at once.
    """
    order = Order.from_json(sys.stdin.read())
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    folder = tempfile.mkdtemp(prefix="agenttts-sandbox-", dir=order.temporary)
    try:
        mounts = order.isolation in ("bubblewrap", "namespaces")
        order = replace(order, box=BOX if mounts else folder, user=FIRST_USER + os.getpid() % USERS)
        if order.drop:
            os.chmod(folder, 0o711)  # noqa: S103 - its own user must reach what is in it
        result = Run(order, folder).finish(caller=int(sys.argv[1]))
    finally:
        _remove(folder)
    sys.stdout.write(json.dumps(result))


class Run:
    """One running program, watched."""

    def __init__(self, order: Order, folder: str) -> None:
        self._order = order
        self._folder = folder
        self._limits = order.limits
        self._started = time.monotonic()
        self._killed_for = ""
        self._outputs: dict[int, bytearray] = {}
        self._selector = selectors.DefaultSelector()
        self._input = (order.stdin or "").encode(errors="replace")
        self._start()

    def _start(self) -> None:
        stdin, self._stdin = os.pipe()
        self._stdout, stdout = os.pipe()
        self._stderr, stderr = os.pipe()
        self._status, status = os.pipe()
        text = os.memfd_create("order")
        with open(os.dup(text), "w", encoding="utf-8") as file:
            file.write(self._order.to_json())
        os.lseek(text, 0, os.SEEK_SET)
        self._child = os.fork()
        if not self._child:
            self._become(stdin, stdout, stderr, text, status)
        for end in (stdin, stdout, stderr, text, status):
            os.close(end)
        self._ended = os.pidfd_open(self._child)

    def _become(self, *ends: int) -> None:
        """In the child: takes its ends of the pipes and becomes the program."""
        try:
            os.setsid()
            # Moved out of the way first: a pipe's number may be another's place.
            high = [os.dup2(end, 100 + place) for place, end in enumerate(ends)]
            for place, end in enumerate(high):
                os.dup2(end, place)
            os.closerange(STATUS + 1, 200)
            if self._order.isolation == "bubblewrap":
                bubblewrap.become(self._order)
            if self._order.isolation == "namespaces":
                os.close(ORDER)
                namespaces.become(self._order, self._folder)
            os.close(ORDER)
            launch(self._order, own_namespaces=False)
        except BaseException as error:  # noqa: BLE001 - a fork must not go on as the supervisor
            os.write(STATUS, f"{type(error).__name__}: {error}".encode()[:1000])
        finally:
            os._exit(127)

    def finish(self, caller: int) -> dict[str, Any]:
        """How the program ended. Everything it started has ended too."""
        for descriptor in (self._stdout, self._stderr, self._status):
            os.set_blocking(descriptor, False)
            self._outputs[descriptor] = bytearray()
            self._selector.register(descriptor, selectors.EVENT_READ)
        for descriptor in (caller, self._ended):
            self._selector.register(descriptor, selectors.EVENT_READ)
        os.set_blocking(self._stdin, False)
        if self._input:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        elif self._order.stdin is not None:
            os.close(self._stdin)
        statuses = self._watch(caller)
        statuses |= end_descendants(self._child)
        for descriptor in (self._stdout, self._stderr, self._status):
            self._read(descriptor)
        return self._result(statuses[self._child], time.monotonic() - self._started)

    def _watch(self, caller: int) -> dict[int, int]:
        """Serves the pipes until the program ended or has to; gives what was reaped."""
        statuses: dict[int, int] = {}
        watched = 0.0
        while not self._killed_for and self._child not in statuses:
            for key, _ in self._selector.select(WATCH_SECONDS):
                if key.fd == caller:
                    self._killed_for = "caller"
                elif key.fd == self._stdin:
                    self._feed()
                elif key.fd == self._ended:
                    statuses |= reap()
                else:
                    self._read(key.fd)
            now = time.monotonic()
            if now - self._started > self._limits["wall_seconds"]:
                self._killed_for = self._killed_for or "wall"
            elif now - watched > WATCH_SECONDS:
                watched = now
                statuses |= reap()
                self._killed_for = self._killed_for or self._excess(descendants(os.getpid()))
        return statuses

    def _feed(self) -> None:
        try:
            self._input = self._input[os.write(self._stdin, self._input[:BLOCK]) :]
        except BlockingIOError:
            return
        except OSError:  # it reads no more
            self._input = b""
        if not self._input:
            self._selector.unregister(self._stdin)
            os.close(self._stdin)

    def _read(self, descriptor: int) -> None:
        kept, most = self._outputs[descriptor], self._limits["output_bytes"]
        try:
            while len(kept) <= most:
                block = os.read(descriptor, BLOCK)
                if not block:
                    with contextlib.suppress(KeyError):
                        self._selector.unregister(descriptor)
                    return
                kept += block
        except BlockingIOError:
            return
        self._killed_for = self._killed_for or "output"

    def _excess(self, processes: list[Process]) -> str:
        """The limit that the processes are beyond, or "". They are all of the run."""
        if sum(process.memory for process in processes) > self._limits["memory_bytes"]:
            return "memory"
        if sum(process.threads for process in processes) > self._limits["processes"] + OWN_PROCESSES:
            return "processes"
        used, entries = self._held(processes)
        return "disk" if used > self._limits["disk_bytes"] or entries > self._limits["files"] + OWN_ENTRIES else ""

    def _held(self, processes: list[Process]) -> tuple[int, int]:
        """Bytes and entries in the program's folder, as far as they can be seen."""
        if self._order.box == BOX:
            for process in processes:
                with contextlib.suppress(OSError):
                    found = os.statvfs(f"/proc/{process.pid}/root{BOX}")
                    if found.f_files:
                        return 0, found.f_files - found.f_ffree
            return 0, 0
        return _folder_use(self._folder, self._limits["files"]) + _deleted_use(processes), 0

    def _result(self, status: int, seconds: float) -> dict[str, Any]:
        code = os.waitstatus_to_exitcode(status)
        code = code if code >= 0 else 128 - code
        report = bytes(self._outputs[self._status])
        stdout, stderr = (
            bytes(self._outputs[end][: self._limits["output_bytes"]]).decode(errors="replace")
            for end in (self._stdout, self._stderr)
        )
        if not report.endswith(READY) and not self._killed_for:
            return {"failed": report.decode(errors="replace") or stderr.strip() or f"exit status {code}"}
        return {
            "exit": code,
            "stdout": stdout,
            "stderr": stderr,
            "killed_for": self._killed_for or ("cpu" if self._used_up_cpu(code) else ""),
            "seconds": seconds,
        }

    def _used_up_cpu(self, code: int) -> bool:
        if code == 128 + signal.SIGXCPU:
            return True
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        enough = used.ru_utime + used.ru_stime >= 0.9 * self._limits["cpu_seconds"]
        return enough and code == 128 + signal.SIGKILL


def _folder_use(folder: str, most_entries: int) -> int:
    """Bytes that a folder's files take; one more than any limit when there are too many entries."""
    used, entries, waiting = 0, 0, [folder]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in found:
                entries += 1
                with contextlib.suppress(OSError):
                    used += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                if entries > most_entries + OWN_ENTRIES:
                    return sys.maxsize
    return used


def _deleted_use(processes: list[Process]) -> int:
    """Bytes of files that have no name any more but are still open."""
    used: dict[tuple[int, int], int] = {}
    for process in processes:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{process.pid}/fd"):
                with contextlib.suppress(OSError):
                    found = os.stat(f"/proc/{process.pid}/fd/{name}")
                    if not found.st_nlink:
                        used[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(used.values())


def _remove(folder: str) -> None:
    """Removes a folder however deep or locked; links in it are not followed."""
    command = 'chmod -R u+rwX -- "$1" 2>/dev/null; exec rm -rf -- "$1"'
    subprocess.run(["/bin/sh", "-c", command, "sh", folder], check=False, env={"PATH": "/usr/bin:/bin"})  # noqa: S603
