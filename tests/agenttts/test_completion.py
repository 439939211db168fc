from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agenttts.cli.app import main
from agenttts.cli.completion import session_ids, task_names


def completed(words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What bash offers for the last of some words."""
    monkeypatch.setattr(sys, "argv", ["agenttts"])
    monkeypatch.setenv("_AGENTTTS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("agenttts doc", ["doctor"]),
        ("agenttts search multihop-", ["multihop-recorded"]),
        ("agenttts search --searcher agent", ["agenthpo"]),
        ("agenttts search --cost kin", ["kinetics"]),
        ("agenttts search --json-", ["--json-lines"]),
    ],
)
def test_the_shell_completes(
    words: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert completed(words, monkeypatch, capsys) == offered


def test_sessions_are_completed_and_no_database_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import agenttts as tts

    monkeypatch.chdir(tmp_path)
    assert list(session_ids("")) == [("last", "the newest session")]
    assert not list(tmp_path.iterdir())
    result = tts.run("simulated-2wiki", trials=7, searcher="random")
    offered = dict(session_ids(result.session_id[:3]))
    assert offered == {result.session_id: "simulated-2wiki, random, complete"}
    Path("agenttts.db").write_bytes(b"damaged" * 99)
    assert list(session_ids("x")) == []


def test_every_task_of_ours_is_offered() -> None:
    assert {"multihop", "multihop-recorded", "kgqa"} <= set(task_names(""))
