from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from agent.optuna_random import RandomSearcher
from agent.searcher import SEARCHERS, Proposal
from tests.agenttts import test_command_line as command_line

agenttts = command_line.agenttts

SMALL = ("--seeds", "2", "--trials", "6", "--batch", "3", "--workers", "1")


def test_a_comparison_from_the_command_line(agenttts: command_line.Run, tmp_path: Path) -> None:
    arguments = ["contrary-size", "--searchers", "planner,rnd=random", "--budgets", "low"]
    done = agenttts("compare", *arguments, *SMALL, "--output", "found", "--report", "found.html")
    assert done.returncode == 0, done.stderr
    for expected in ("Simulated:", "contrary-size (simulated), budget low", "rnd", "Against planner", "wins/ties/"):
        assert expected in done.stdout
    names = {path.name for path in (tmp_path / "found").iterdir()}
    assert names >= {"runs.csv", "trajectories.csv", "bands.csv", "paired.csv", "summary.json", "contrary-size.svg"}
    assert "Simulated: scores come from response surfaces" in (tmp_path / "found.html").read_text(encoding="utf-8")


def test_one_document_for_machines(agenttts: command_line.Run, tmp_path: Path) -> None:
    done = agenttts("compare", "simulated-cwq", "--searchers", "random", "--budgets", "500", *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["simulated"] is True
    assert found["plan"]["budgets"] == [500.0]
    assert [row["searcher"] for row in found["summary"]] == ["random"]
    assert found["paired"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["simulated-2wikj"], "did you mean 'simulated-2wiki'"),
        (["--searchers", "planer"], "did you mean 'planner'"),
        (["--searchers", "random,random"], "LABEL=NAME"),
        (["--searchers", "random", "--searcher-set", "tpe.x=1"], "LABEL.NAME=VALUE"),
        (["--searchers", "random", "--searcher-set", "random.x=1"], "option of searcher 'random'"),
        (["--seeds", "0"], "seeds"),
        (["--budgets", "lots"], "budgets"),
        (["--budgets", "0.1"], "budget"),
        (["--reference", "gp"], "reference"),
        (["--plots", "gif"], "--plots"),
        (["--output", "file/folder"], "--output"),
        (["--set", "colour=red"], "colour"),
        (["multihop", "--set", 'models=["m:1e9@http://127.0.0.1:9/v1"]'], "simulated or a recorded task"),
    ],
)
def test_bad_input_is_one_clear_line(
    agenttts: command_line.Run, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "file").touch()
    done = agenttts("compare", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


class Broken(RandomSearcher):
    name = "broken"

    def ask(self, n: int) -> list[Proposal]:
        raise OSError("on purpose")


def test_a_failing_run_makes_the_exit_code_1_and_the_rest_is_told(
    agenttts: command_line.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SEARCHERS._registered, "broken", Broken)
    arguments = ["compare", "simulated-2wiki", "--searchers", "random,broken", *SMALL]
    done = agenttts(*arguments, "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert [failure["error"] for failure in found["failures"]] == ["OSError: on purpose"] * 2
    assert [row["failed"] for row in found["summary"]] == [0, 2]
    people = agenttts(*arguments)
    assert people.returncode == 1
    assert "Failed: broken on simulated-2wiki, budget default, seed 1" in people.stdout


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the list of child processes from /proc")
def test_ctrl_c_ends_the_workers_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from agenttts.cli.app import main; main()", "compare", "simulated-2wiki"]
    process = subprocess.Popen(
        [*command, "--seeds", "2000", "--searchers", "tpe", "--workers", "2"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 60
    while len(children.read_text().split()) < 3 and time.monotonic() < deadline:  # two workers and a tracker
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=60)
        assert _all_gone(process.pid, deadline)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 130
    assert "Interrupted" in errors
    assert "Traceback" not in errors


def _all_gone(group: int, deadline: float) -> bool:
    """Whether no process of the group is left; Python's tracker leaves a moment after the others."""
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
