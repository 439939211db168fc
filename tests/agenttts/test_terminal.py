"""What models, files and servers wrote reaches the terminal as text, never as commands."""

from __future__ import annotations

import io
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from agenttts.cli.app import main
from agenttts.cli.streams import PlainFormatter
from agenttts.cli.terminal import Terminal
from tools.text import LOST, storable, unstorable_in, visible

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \x9b2J [bold]b[/] [link=http://x]y[/link] :smile: \u202ereversed\u2066 \r\x08"


def printed(*things: object) -> str:
    out = io.StringIO()
    terminal = Terminal()
    terminal.file = out
    terminal.width = 300
    for thing in things:
        terminal.print(thing)
    return out.getvalue()


def hostile_table() -> Table:
    table = Table(HOSTILE, title=HOSTILE, caption=HOSTILE)
    table.add_row(HOSTILE)
    return table


@pytest.mark.parametrize("shown", [HOSTILE, hostile_table()])
def test_nothing_is_obeyed(shown: object) -> None:
    text = printed(shown)
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\r", "\x08", "\u202e", "\u2066"}
    assert r"\x1b[31mred" in text
    assert "[bold]b[/] [link=http://x]y[/link] :smile:" in text


def test_rules_and_logs_are_neutral() -> None:
    out = io.StringIO()
    terminal = Terminal()
    terminal.file = out
    terminal.rule(HOSTILE)
    assert "\x1b" not in out.getvalue()
    record = logging.LogRecord("x", logging.INFO, "x", 1, "%s", ("\x1b[2J\ud800",), None)
    assert PlainFormatter(logging.BASIC_FORMAT).format(record) == r"INFO:x:\x1b[2J\ud800"


@given(st.text())
def test_any_text_can_be_shown_and_stored(text: str) -> None:
    assert not set(visible(text)) & set(map(chr, [*range(9), *range(11, 32), *range(127, 160)]))
    visible(text).encode()
    assert "\x00" not in storable(text)
    storable(text).encode()
    if unstorable_in({"a": [text]}) is None:
        assert storable(text) == text


def test_what_cannot_be_stored_is_found_however_deep() -> None:
    deep: object = "\ud800"
    for _ in range(100_000):
        deep = [deep]
    assert unstorable_in(deep) == r"\ud800"
    assert unstorable_in({"a\x00": 1}) == r"\x00"
    assert unstorable_in([1, None, {"a": ("b", "\U0001f600")}]) is None
    assert storable("a\x00\ud800") == f"a{LOST}{LOST}"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("search --trials many", "Error: agenttts search: Invalid value for '--trials': Input should be a valid"),
        ("search --nope", "Error: agenttts search: No such option: --nope"),
        ("nope", "Error: agenttts: No such command 'nope'; see `agenttts --help`"),
        ("search --trials", "Error: Option '--trials' requires an argument"),
        ("check", "Error: agenttts check: Missing argument 'pipeline'; see `agenttts check --help`"),
        ("search \x1b[31m", r"Error: task: unknown name '\x1b[31m'"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(
    arguments: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["agenttts", *arguments.split(" ")])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(line)
    assert told.count("\n") == 1
