"""The one way to the terminal: texts of models, files and servers are shown, never obeyed."""

from __future__ import annotations

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
