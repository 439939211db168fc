"""The house's own rules: imports point one way, and commands start without the search's libraries."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ["tools", "storage", "environment", "agent", "agenttts"]
HEAVY = {"langgraph", "optuna", "openai", "matplotlib", "plotly", "pandas", "torch", "scipy", "ray"}


def imported(path: Path) -> set[str]:
    """The top-level packages a file imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_point_down(floor: str) -> None:
    above = set(FLOORS[FLOORS.index(floor) + 1 :])
    files = sorted((ROOT / floor).rglob("*.py"))
    assert files
    wrong = {str(path.relative_to(ROOT)): names & above for path in files if (names := imported(path)) & above}
    assert wrong == {}


def test_the_help_imports_nothing_heavy() -> None:
    code = "import sys, agenttts.cli.app; print(' '.join({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY & set(loaded) == set()
