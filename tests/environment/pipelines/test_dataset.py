"""Reading a person's examples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from environment.pipelines.assembly import split_of
from environment.pipelines.dataset import read_rows, rows_of, shuffled
from tools.errors import InvalidInput

RECORDS = [{"id": "a", "q": "one", "answers": ["1", "i"]}, {"id": "b", "q": "two\u2028lines", "answers": ["2"]}]


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".JSONL"])
def test_every_form_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    lines = "\n\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS)
    cells = 'id,q,answers\r\na,one,"[""1"", ""i""]"\r\nb,"two\u2028lines","[""2""]"\r\n'
    text = {".jsonl": lines, ".json": json.dumps(RECORDS), ".csv": "\ufeff" + cells}[suffix.lower()]
    rows = read_rows(written(tmp_path, "data" + suffix, text), json_fields=["answers"] if suffix == ".csv" else [])
    assert [row.id for row in rows] == ["a", "b"]
    assert [dict(row) for row in rows] == [{**record, "answers": tuple(record["answers"])} for record in RECORDS]


def test_rows_without_ids_are_numbered(tmp_path: Path) -> None:
    rows = read_rows(written(tmp_path, "data.csv", 'q,a\n"x, y","say ""hi""\nthere"\n1,2\n'))
    assert [row.id for row in rows] == ["row-1", "row-2"]
    assert rows[0]["a"] == 'say "hi"\nthere'


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("data.txt", "x", "unknown ending"),
        ("data.jsonl", "", "not JSON"),
        ("data.jsonl", '{"a": 1}\nnonsense', "line 2"),
        ("data.jsonl", '{"a": 1}\n[1]', "record 1"),
        ("data.jsonl", '{"a": 1, "b": 2}\n{"a": 1}', "lacks the field 'b'"),
        ("data.json", '{"a": ', "not JSON"),
        ("data.json", "[]", "at least one record"),
        ("data.jsonl", '{"id": 1}\n{"id": "1"}', "stands twice"),
        ("data.csv", "", "name every column"),
        ("data.csv", "a,a\n1,2", "each once"),
        ("data.csv", "a,b\n1,2,3", "line 2: has 3 cells"),
        ("data.csv", 'a\n"x', "no CSV"),
        ("data.csv", "a\n", "holds none"),
    ],
)
def test_a_faulty_file_is_refused_by_name_and_place(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as refused:
        read_rows(written(tmp_path, name, text))
    assert name in str(refused.value)


def test_a_missing_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    for name in ("none.jsonl", "none.csv"):
        with pytest.raises(InvalidInput, match="cannot read"):
            read_rows(tmp_path / name)
    (tmp_path / "latin.csv").write_bytes("a\nä\n".encode("latin-1"))
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_rows(tmp_path / "latin.csv")


def test_json_fields_must_be_there_and_hold_json(tmp_path: Path) -> None:
    path = written(tmp_path, "data.csv", "a\n[1\n")
    with pytest.raises(InvalidInput, match="no column 'b'; it has: a"):
        read_rows(path, json_fields=["b"])
    with pytest.raises(InvalidInput, match="is no JSON"):
        read_rows(path, json_fields=["a"])


def test_splits_and_order() -> None:
    rows = rows_of([{"n": number} for number in range(10)], "numbers")
    split = split_of(rows, None, None)
    assert (len(split.search), len(split.held_out)) == (5, 5)
    assert [row["n"] for row in split_of(rows, 3, 2).held_out] == [3, 4]
    assert shuffled(rows, 1) == shuffled(rows, 1) != rows
    for search, held_out in ((0, None), (10, None), (3, 8), (True, 1)):
        with pytest.raises(InvalidInput):
            split_of(rows, search, held_out)
    with pytest.raises(InvalidInput, match="at least 2"):
        split_of(rows[:1], None, None)
