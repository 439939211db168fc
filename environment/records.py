"""Records of a benchmark's file, with mistakes that name the file, the record and the field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tools.errors import InvalidInput

T = TypeVar("T")


def read_records(path: str | Path, read: Callable[[dict[str, Any]], T], *, member: str = "") -> list[T]:
    """What `read` makes of each record of a JSON list or a JSON lines file, in file order.

    A file that is one object holds its list in `member`. `read` raises KeyError for a field that
    is missing and ValueError, naming the field, for one that is unusable; both become InvalidInput,
    as does a file that cannot be read. Records are counted from 0.
    """
    records = _records(given_path(path), member)
    if not isinstance(records, list) or not records:
        inside = f" under {member!r}" if member else ""
        raise InvalidInput("path", f"{path} must hold a list of at least one record{inside}")
    results = []
    for number, record in enumerate(records):
        try:
            if not isinstance(record, dict):
                raise ValueError(f"must be an object, got {type(record).__name__}")
            results.append(read(record))
        except KeyError as error:
            raise InvalidInput("path", f"{path} record {number}: lacks the field {error}") from None
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            raise InvalidInput("path", f"{path} record {number}: {error}") from None
    return results


def texts(value: object, field: str) -> tuple[str, ...]:
    """A list of at least one text as a tuple. Raises ValueError naming the field."""
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{field} must be a list of texts, at least one")
    return tuple(value)


def given_path(path: str | Path) -> Path:
    """The path of a task's file. Raises InvalidInput where none was given."""
    if not str(path):
        raise InvalidInput("path", "the task reads a file; give its path, such as --set path=FILE")
    return Path(path)


def _records(path: Path, member: str) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInput("path", f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InvalidInput("path", f"{path} is not text: {error}") from None
    try:
        document = json.loads(text)
    except RecursionError:
        raise InvalidInput("path", f"{path} is nested too deep to be read") from None
    except ValueError as error:
        if not text.lstrip().startswith("{"):
            raise InvalidInput("path", f"{path} is not JSON: {error}") from None
        return _lines(path, text)
    if isinstance(document, dict):
        return document.get(member) if member in document else [document]
    return document


def _lines(path: Path, text: str) -> list[Any]:
    records = []
    # Only a line feed ends a record: other line ends may stand inside a JSON text.
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip():
                records.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise InvalidInput("path", f"{path} line {number} is not JSON: {error}") from None
    return records
