from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def agenttts(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from agenttts.cli.app import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def document(*arguments: str, cwd: Path) -> Any:
    done = agenttts(*arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_main_job_runs_with_no_arguments(tmp_path: Path) -> None:
    done = agenttts("search", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for expected in ("Best allocation", "Why:", "held-out score", "largest model", "smallest model", "without reuse"):
        assert expected in done.stdout
    assert (tmp_path / "agenttts.db").is_file()


def test_search_show_and_resume_agree(tmp_path: Path) -> None:
    found = document("search", "--trials", "12", "--set", "strategy=majority", cwd=tmp_path)
    assert found["state"] == "complete"
    assert len(found["trials"]) == 12
    assert found["best"]["cost"] <= found["config"]["budget"] * (1 + 1e-9)
    assert {e["label"] for e in found["evaluations"]} >= {"best", "largest model everywhere"}
    assert found["generations"]["fresh"] < found["generations"]["requested"]
    assert document("show", found["session"], cwd=tmp_path) == found
    assert document("resume", "last", cwd=tmp_path) == found


def test_equal_seeds_find_the_same(tmp_path: Path) -> None:
    runs = [document("search", "--trials", "15", "--searcher", "tpe", cwd=tmp_path) for _ in range(2)]
    assert [t["score"] for t in runs[0]["trials"]] == [t["score"] for t in runs[1]["trials"]]
    assert runs[1]["generations"]["paid"] == 0, "the second search finds every sample in the store"
    assert runs[1]["generations"]["fresh"] == runs[0]["generations"]["fresh"]


def test_tasks_and_budget(tmp_path: Path) -> None:
    assert "multihop-recorded" in document("tasks", cwd=tmp_path)
    budget = document("budget", cwd=tmp_path)
    assert 0 < budget["feasible_allocations"] < budget["all_allocations"] == 225
    assert agenttts("budget", cwd=tmp_path).returncode == 0
    assert agenttts("tasks", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "multihop-recordet"], "did you mean 'multihop-recorded'"),
        (["search", "--budget", "1"], "budget"),
        (["search", "--searcher", "planer"], "did you mean 'planner'"),
        (["search", "--trials", "0"], "trials"),
        (["search", "--set", "strategy"], "NAME=VALUE"),
        (["search", "--set", "strategy=vote"], "strategy"),
        (["search", "--set", "colour=red"], "colour"),
        (["search", "multihop"], "--model"),
        (["search", "multihop", "--model", "x"], "NAME:PARAMETERS@URL"),
        (["search", "--storage", "mysql://h/n"], "storage"),
        (["show", "abc"], "no session"),
        (["budget", "--cost", "euro"], "cost"),
        (["search", "--trials", "many"], "--trials"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = agenttts(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    if arguments[0] == "search":
        assert not (tmp_path / "agenttts.db").exists()


def test_help_and_version(tmp_path: Path) -> None:
    assert "search" in agenttts("--help", cwd=tmp_path).stdout
    assert agenttts("--version", cwd=tmp_path).stdout.strip() == "0.1.0"
