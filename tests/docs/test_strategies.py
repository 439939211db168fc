"""What docs/strategies.md says of searching over strategies is run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "strategies.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
LISTS = sorted(set(re.findall(r"agenttts search multihop-recorded --set '(.+)'$", PAGE, re.MULTILINE)))


@pytest.mark.parametrize("code", PYTHON)
def test_the_example_runs(code: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"qa: (small|large) x \d+ (majority|fusion) t=0\.[39]\n", done.stdout)


@pytest.mark.parametrize("listed", LISTS)
def test_the_lists_are_counted_as_the_page_says(listed: str, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("agenttts")),
        "budget",
        "multihop-recorded",
        "--set",
        listed,
        "--json",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    both = listed.startswith("strategies=[")
    assert json.loads(done.stdout)["all_allocations"] == (900 if both else 450)
    assert "make 900 allocations of 225" in PAGE
