"""Standard output and error, before anything is shown on them."""

from __future__ import annotations

import io
import logging
import sys

from tools.text import visible, without_passwords


class PlainFormatter(logging.Formatter):
    """Log lines without what a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(without_passwords(super().format(record)))


def log_to_stderr(*, verbose: bool) -> None:
    """Shows what is logged: errors, or everything that tells what happens."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter(logging.BASIC_FORMAT))
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, handlers=[handler])


def tolerate_any_text() -> None:
    """Writes characters that the terminal's encoding lacks as escapes, rather than failing on them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
