from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from environment.records import read_records, texts
from tools.errors import InvalidInput


def name(record: dict[str, Any]) -> str:
    return ", ".join(texts(record["names"], "names"))


@pytest.mark.parametrize(
    "text",
    [
        '[{"names": ["a", "b"]}, {"names": ["c"]}]',
        '{"names": ["a", "b"]}\n\n{"names": ["c"]}\r\n',
        '{"version": "1", "items": [{"names": ["a", "b"]}, {"names": ["c"]}]}',
        '\ufeff[{"names": ["a", "b"]}, {"names": ["c"]}]',
    ],
)
def test_lists_lines_and_members_are_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "names.json"
    file.write_text(text, encoding="utf-8")
    assert read_records(file, name, member="items") == ["a, b", "c"]


def test_one_line_is_one_record(tmp_path: Path) -> None:
    file = tmp_path / "names.jsonl"
    file.write_text('{"names": ["a\u2028b"]}', encoding="utf-8")
    assert read_records(file, name, member="items") == ["a\u2028b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "names.json is not JSON"),
        ("", "names.json is not JSON"),
        ("[]", "at least one record"),
        ('"names"', "at least one record"),
        ('{"items": {}}', "at least one record under 'items'"),
        ('{"names": ["a"]}\n{"names": ', "line 2 is not JSON"),
        ("[3]", "record 0: must be an object, got int"),
        ('[{"names": ["a"]}, {}]', "record 1: lacks the field 'names'"),
        ('[{"names": ["a"]}, {"names": []}]', "record 1: names must be a list of texts"),
    ],
)
def test_a_mistake_names_the_file_the_record_and_the_field(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "names.json"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=message) as caught:
        read_records(file, name, member="items")
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="give its path"):
        read_records("", name)
    with pytest.raises(InvalidInput, match=r"cannot read .*absent.json: No such file"):
        read_records(tmp_path / "absent.json", name)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match=r"binary.json is not text"):
        read_records(binary, name)
