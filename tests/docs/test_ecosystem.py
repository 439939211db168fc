"""The programs of docs/optuna.md and docs/observability.md run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PROGRAM = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NEEDED = {"traced.py": "opentelemetry.sdk", "logged.py": "mlflow", "look.py": "plotly"}
PROGRAMS = {
    name: code
    for page in ("optuna", "observability")
    for name, code in PROGRAM.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n == "logged.py" else ()) for n in PROGRAMS]
)
@pytest.mark.slow
def test_a_program_runs(name: str, tmp_path: Path) -> None:
    if name in NEEDED:
        pytest.importorskip(NEEDED[name], reason=f"{name} needs {NEEDED[name]}")
    (tmp_path / name).write_text(PROGRAMS[name], encoding="utf-8")
    done = subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_python_block_is_a_program() -> None:
    for page in ("optuna", "observability"):
        text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
        assert len(PROGRAM.findall(text)) == text.count("```python")
    assert set(PROGRAMS) == {"my_study.py", "by_name.py", "look.py", "traced.py", "logged.py", "drawn.py"}
