"""Reads a person's examples from a JSONL, JSON or CSV file."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from environment.pipelines.values import Row, frozen
from environment.records import read_records
from tools.errors import InvalidInput

E = TypeVar("E")

SUFFIXES = (".jsonl", ".json", ".csv")
ID = "id"


def read_rows(path: Path, *, json_fields: Sequence[str] = ()) -> list[Row]:
    """The file's records in their order; an `id` field, where they have one, names each.

    `json_fields` are columns of a CSV file whose cells hold JSON, such as lists. Raises InvalidInput
    naming file and record.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidInput("examples", f"{path} has an unknown ending; use one of: {', '.join(SUFFIXES)}")
    records = _csv_records(path) if suffix == ".csv" else read_records(path, dict)
    return rows_of([_decoded(path, record, json_fields) for record in records], str(path))


def rows_of(records: Sequence[Mapping[str, Any]], origin: str) -> list[Row]:
    """Rows with the records' own ids, or numbered ones where the first has none.

    Raises InvalidInput on no records, on a missing or doubled id, and where a field is missing.
    """
    if not records:
        raise InvalidInput("examples", f"{origin} holds none")
    needed = set(records[0])
    rows: dict[str, Row] = {}
    for number, record in enumerate(records):
        if missing := sorted(needed - set(record)):
            raise InvalidInput(
                "examples", f"{origin} record {number}: lacks the field {missing[0]!r} that the first record has"
            )
        name = str(record[ID]) if ID in needed else f"row-{number + 1}"
        if name in rows:
            raise InvalidInput("examples", f"{origin} record {number}: the id {name!r} stands twice; ids must differ")
        rows[name] = Row(name, {str(field): frozen(value) for field, value in record.items()})
    return list(rows.values())


def shuffled(rows: Sequence[E], seed: int) -> list[E]:
    """The examples in an order that only the seed decides."""
    return [rows[int(position)] for position in np.random.default_rng(seed).permutation(len(rows))]


def _csv_records(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _cells(path, csv.reader(file, strict=True))
    except OSError as error:
        raise InvalidInput("examples", f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput("examples", f"{path} is no CSV file in UTF-8: {error}") from None


def _cells(path: Path, reader: Any) -> list[dict[str, Any]]:
    header: list[str] = next(reader, [])
    if not header or not all(header) or len(set(header)) != len(header):
        raise InvalidInput("examples", f"{path} line 1: must name every column, each once")
    records = []
    for cells in filter(None, reader):
        if len(cells) != len(header):
            raise InvalidInput(
                "examples", f"{path} line {reader.line_num}: has {len(cells)} cells, the header has {len(header)}"
            )
        records.append(dict(zip(header, cells, strict=True)))
    return records


def _decoded(path: Path, record: Mapping[str, Any], json_fields: Sequence[str]) -> Mapping[str, Any]:
    decoded = dict(record)
    for name in json_fields:
        if name not in decoded:
            raise InvalidInput("json_fields", f"{path} has no column {name!r}; it has: {', '.join(record)}")
        if isinstance(decoded[name], str):
            try:
                decoded[name] = json.loads(decoded[name])
            except (ValueError, RecursionError) as error:
                raise InvalidInput(
                    "json_fields", f"{path}, column {name!r}: {decoded[name]!r} is no JSON: {error}"
                ) from None
    return decoded
