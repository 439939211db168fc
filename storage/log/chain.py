"""The hash chain of a log: every line carries the hash of the line before it and its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NoReturn

from tools.errors import InvalidInput, StorageError

LONGEST_LINE = 64 * 2**20
"""Bytes; more is never written and not read."""
START = "0" * 64
"""What stands for the hash of the line before the first."""
END = "end"


def canonical(values: Any) -> str:
    """The one text of plain values: JSON in ASCII without spaces, members in their order.

    Raises ValueError for a number that is not finite.
    """
    return json.dumps(values, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def digest(text: str) -> str:
    """The SHA-256 of an ASCII text, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class ChainWriter:
    """Writes lines; `count` is how many, `last` the hash of the newest."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.count = 0
        self.last = START

    def line(self, kind: str, **fields: Any) -> None:
        """Writes one line. Raises StorageError for one that no reader would take."""
        text = canonical({"n": self.count, "kind": kind, **fields, "prev": self.last})
        found = digest(text)
        whole = f'{text[:-1]},"hash":"{found}"}}\n'
        if len(whole) > LONGEST_LINE:
            raise StorageError(f"line {self.count} of the log ({kind}) would have more than {LONGEST_LINE:,} bytes")
        self._write(whole.encode("ascii"))
        self.count, self.last = self.count + 1, found

    def end(self) -> None:
        """Writes the last line, which says how many there are with it."""
        self.line(END, count=self.count + 1)


def read_chain(file: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    """The lines of a log in their order, each once it is known to be whole and in its place.

    `name` is the file's, for messages. Raises InvalidInput that names the first damaged line.
    """
    last, number = START, 0
    while raw := file.readline(LONGEST_LINE + 1):
        values = _checked(raw, number, last, f"{name} line {number + 1}")
        last, number = values["hash"], number + 1
        if values["kind"] == END:
            if values.get("count") != number:
                raise InvalidInput(f"{name} line {number}", f"counts {values.get('count')!r} lines, there are {number}")
            if file.read(1):
                raise InvalidInput(f"{name} line {number + 1}", "follows the end of the log; take it out")
            yield values
            return
        yield values
    if not number:
        raise InvalidInput(name, "is empty; make a log with `agenttts export SESSION`")
    raise InvalidInput(f"{name} line {number + 1}", "is missing: the log was cut off before its end; export it again")


def _checked(raw: bytes, number: int, last: str, where: str) -> dict[str, Any]:
    if len(raw) > LONGEST_LINE:
        raise InvalidInput(where, f"has more than {LONGEST_LINE:,} bytes; no log has such lines")
    values, text = _parsed(raw, where)
    hashed = values.pop("hash", None)
    if list(values)[:2] != ["n", "kind"] or not isinstance(values["kind"], str) or not isinstance(hashed, str):
        raise InvalidInput(
            where, 'is no line of a log, which begins with "n" and "kind" and ends with "prev" and "hash"'
        )
    tail = f',"hash":"{hashed}"}}'
    if not text.endswith(tail) or digest(f"{text[: -len(tail)]}}}") != hashed:
        raise InvalidInput(where, f"was changed after it was written ({values['kind']}): its hash is another")
    if values.pop("prev", None) != last or values["n"] != number or isinstance(values["n"], bool):
        raise InvalidInput(where, "does not follow the line before it: lines were taken out, added or moved")
    return {**values, "hash": hashed}


def _parsed(raw: bytes, where: str) -> tuple[dict[str, Any], str]:
    try:
        text = raw.decode("ascii").removesuffix("\n")
        values = json.loads(text, parse_constant=_not_finite)
        same = isinstance(values, dict) and canonical(values) == text
    except (ValueError, RecursionError):
        raise InvalidInput(where, "is not JSON in ASCII; the file is no log, or it is damaged") from None
    if not same:
        raise InvalidInput(where, "is not written as logs are: one object, without spaces, every name once")
    return values, text


def _not_finite(text: str) -> NoReturn:
    raise ValueError(text)
