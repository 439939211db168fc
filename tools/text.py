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

CREDENTIALS = re.compile(r"(://)[^/\s@'\"]+@")
BREAKS = re.compile("[\n\r\t\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What begins a new line somewhere, or moves within one."""


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


def shortened(value: object, most: int = 80) -> str:
    """A value as messages show it, on one line that stays readable."""
    try:
        text = ascii(value) if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001 - an int of too many digits, lists too deep, an object that cannot show itself
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def one_line(text: str, most: int) -> str:
    """A text on one line of at most so many characters, cut in its middle."""
    line = visible(" ".join(text.split()) if BREAKS.search(text) else text)
    half = (most - 5) // 2
    return line if len(line) <= most else f"{line[:half]} ... {line[-half:]}"


def without_passwords(text: str) -> str:
    """The text with what stands before the @ of its URLs left out: a user's name and password."""
    return CREDENTIALS.sub(r"\1[...]@", text)


def visible(text: str) -> str:
    r"""The text with what a terminal would obey, or hide, written out as \x1b."""
    return COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)
