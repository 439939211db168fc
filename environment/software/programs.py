"""Runs of programs in the sandbox, off the event loop, each one once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from environment.sandbox.limits import STRONGEST, Limits, SandboxRun
from environment.sandbox.sandbox import Sandbox

T = TypeVar("T")
MOST_KEPT = 20_000
"""Runs that are remembered; about a hundred bytes to some kilobytes each."""

WAITING = 4
"""Programs at once for each processor, where they mostly wait."""


class Programs:
    """Runs programs within limits and remembers each run by its content.

    The same files, command and input give the run that was made first, so that a repeated trial
    runs nothing again and its scores stay. Thread-safe.
    """

    def __init__(self, limits: Limits, isolation: str = STRONGEST, *, waiting: bool = False) -> None:
        """`waiting` says that programs mostly wait, so that more of them may run than there are processors.

        Raises InvalidInput where the isolation is not to be had.
        """
        workers = (WAITING if waiting else 1) * (os.cpu_count() or 1)
        self._sandbox = Sandbox(limits, isolation, workers=workers)
        self._known: OrderedDict[str, Future[SandboxRun]] = OrderedDict()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(2 * workers, thread_name_prefix="programs")

    @property
    def isolation(self) -> str:
        """The level that programs run at."""
        return self._sandbox.isolation

    def run(self, files: Mapping[str, str], command: Sequence[str], stdin: str | None = "") -> SandboxRun:
        """How the program ends, as `Sandbox.run` tells. Blocks where it was not run before."""
        key = hashlib.sha256(json.dumps([dict(files), list(command), stdin], sort_keys=True).encode()).hexdigest()
        with self._lock:
            known = self._known.get(key)
            future = known or self._known.setdefault(key, Future())
            self._known.move_to_end(key)
            while len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
        if known is None:
            try:
                future.set_result(self._sandbox.run(files, command, stdin))
            except BaseException as error:
                with self._lock:
                    self._known.pop(key, None)
                future.set_exception(error)
                raise
        return future.result()

    async def off_loop(self, work: Callable[..., T], *arguments: object) -> T:
        """What `work` gives, computed in a thread, for work that calls `run`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
