"""What docs/costs.md and docs/pareto.md show is run, and the figures of the first are those of today."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from environment.measuring import measured_recording
from environment.multihop.recorded import recorded_task
from tools.token_use import Call

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (\w+) \| (\S+) \| (\d+) \| \d+ \| ([\d.]+) \| ([\d.]+) \| [\d.]+ \| ([\d.]+) \|$", re.MULTILINE)


@pytest.mark.parametrize("page", ["costs", "pareto"])
@pytest.mark.slow
def test_the_examples_of_a_page_run(page: str, tmp_path: Path) -> None:
    blocks = BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))
    assert blocks
    for name, code in blocks:
        (tmp_path / name).write_text(code, encoding="utf-8")
        done = subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_of_measured_seconds_is_what_the_line_gives() -> None:
    measured = measured_recording(recorded_task())
    rows = ROW.findall((DOCS / "costs.md").read_text(encoding="utf-8"))
    assert len(rows) == 12
    for subtask, model, size, prompt, length, told in rows:
        call = Call(float(prompt), float(length), generations=int(size))
        assert measured.of(subtask, model).seconds(call) == pytest.approx(float(told), rel=0.03, abs=0.01)
