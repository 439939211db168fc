"""Text from outside: what of it can be stored, and what of it a terminal may be shown."""

from __future__ import annotations

import re
from typing import Any

LOST = "\ufffd"
"""Stands for a character that cannot be kept (Unicode's REPLACEMENT CHARACTER)."""
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL refuses, and halves of surrogate pairs, which no encoding takes."""
COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but for tab and line feed: terminals obey them
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # they reorder what stands around them, or break lines
    "\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"  # halves of characters, and ones that never show
)


def storable(text: str) -> str:
    """The text as every database and file takes it."""
    return UNSTORABLE.sub(LOST, text)


def unstorable_in(value: Any) -> str | None:
    r"""The first character in plain values, however deep, that cannot be stored, as \x00 or \ud800; None if all can."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if found := UNSTORABLE.search(one):
                return ascii(found[0])[1:-1]
        elif isinstance(one, dict):
            waiting += [*one.values(), *one]
        elif isinstance(one, list | tuple):
            waiting += one
    return None


def visible(text: str) -> str:
    r"""The text with what a terminal would obey, or hide, written out as \x1b."""
    return COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)
