from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
TINY = ["--seeds", "1", "--trials", "4", "--workers", "1", "--plots", "none", "--output", "out"]


def run(name: str, monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> object:
    """Runs a script in a folder, in this process, and returns its exit code."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    return left.value.code


@pytest.mark.parametrize(
    ("name", "arguments", "tasks", "budgets"),
    [
        ("compare_main", ["--tasks", "simulated-2wiki", "--searchers", "planner", "rnd=random"], 1, 1),
        ("compare_ablation", [], 1, 1),
        ("compare_search_set", ["--tasks", "simulated-2wiki"], 3, 1),
        ("compare_budgets", ["--tasks", "simulated-2wiki"], 1, 3),
        ("compare_price", ["--tasks", "simulated-2wiki"], 1, 1),
    ],
)
def test_every_comparison_script_writes_its_files(
    name: str, arguments: list[str], tasks: int, budgets: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(name, monkeypatch, tmp_path, *arguments, *TINY) == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert found["simulated"] is True
    assert len(found["summary"]) == tasks * budgets * len(found["plan"]["searchers"])
    assert (found["plan"]["cost"] == "price") == (name == "compare_price")
    assert (tmp_path / "out" / "trajectories.csv").is_file()


def test_a_script_names_bad_input_and_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compare_main", monkeypatch, tmp_path, "--tasks", "simulated-3wiki", *TINY) == 2
    assert "did you mean" in capsys.readouterr().err
