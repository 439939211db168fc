"""The one way to the terminal: texts of models, files and servers are shown, never obeyed."""

from __future__ import annotations

import io
import logging
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from tools.text import visible


class Terminal(Console):
    """A Rich console for texts that anyone may have written: no markup, no emoji codes, no control characters."""

    def __init__(
        self, *, stderr: bool = False, quiet: bool = False, soft_wrap: bool = False, highlight: bool = False
    ) -> None:
        super().__init__(
            stderr=stderr, quiet=quiet, soft_wrap=soft_wrap, highlight=highlight, markup=False, emoji=False
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """Every text that is printed, a table's cells and titles included, comes through here."""
        return super().render_str(visible(text), **options)


class PlainFormatter(logging.Formatter):
    """Log lines without what a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


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
