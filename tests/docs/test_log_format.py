"""docs/log-format.md names every kind of line and every member, and its program checks a real chain."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.log import export_log
from agent.session import run
from storage.log.lines import KINDS, VERSION, Line, WholeSampleLine

PAGE = (Path(__file__).parents[2] / "docs" / "log-format.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))


def test_every_kind_is_described_in_its_order() -> None:
    assert list(ROWS) == list(KINDS)
    assert f'"format":"agenttts-log","version":{VERSION},' in PAGE


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_is_described(kind: str) -> None:
    fields = WholeSampleLine.model_fields if kind == "sample" else KINDS[kind].model_fields
    assert {name for name in fields if f"`{name}`" not in ROWS[kind]} == set(Line.model_fields)


def test_the_program_checks_a_chain(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path / 'a.db'}", tmp_path / "a.jsonl"
    run("simulated-2wiki", searcher="random", trials=3, storage=url)
    written = export_log("last", log, url)
    (tmp_path / "chain.py").write_text(PAGE.split("```python\n")[1].split("```")[0], encoding="utf-8")
    check = [sys.executable, str(tmp_path / "chain.py"), str(log)]
    assert subprocess.run(check, capture_output=True, text=True, check=True).stdout.strip() == written.hash
    log.write_bytes(log.read_bytes().replace(b'"batch":0', b'"batch":1', 1))
    changed = subprocess.run(check, capture_output=True, text=True, check=False)
    assert "line 3 was changed" in changed.stderr
