"""Stops running sessions and starts stopped ones again, as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = "from agenttts.cli.app import main; main()"
LAST_WORDS = 2000
"""Characters of what a process said that are shown."""


class Control:
    """Processes that were started here; they go on when the page's server ends."""

    def __init__(self, storage: str) -> None:
        self._storage = storage
        self._folder = Path(tempfile.mkdtemp(prefix="agenttts-ui-"))
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def resume(self, session: str) -> None:
        """Starts `agenttts resume` for a session, unless one that was started here still runs."""
        if self.is_running(session):
            return
        # The URL may hold a password, and everybody may read a command line.
        environment = {**os.environ, "AGENTTTS_STORAGE": self._storage}
        with self._log(session).open("wb") as log:
            self._running[session] = subprocess.Popen(  # noqa: S603 - our own command, with a stored session's id
                [sys.executable, "-c", COMMAND, "resume", session],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def is_running(self, session: str) -> bool:
        """Whether a process that was started here still works at the session."""
        process = self._running.get(session)
        return process is not None and process.poll() is None

    def last_words(self, session: str) -> str:
        """What a process that was started here said in the end, where it failed; "" otherwise."""
        process = self._running.get(session)
        if process is None or not process.poll():
            return ""
        text = self._log(session).read_text(encoding="utf-8", errors="replace")
        return text[-LAST_WORDS:].strip()

    def _log(self, session: str) -> Path:
        return self._folder / f"{session}.log"
