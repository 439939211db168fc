"""Task automation on a real llama.cpp server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import LiveServer

pytestmark = pytest.mark.live

SMALL = ("--set", "search_examples=3", "--set", "held_out_examples=1", "--set", "max_samples=2")


def searched(server: LiveServer, folder: Path, *arguments: str) -> Any:
    command = [str(Path(sys.executable).with_name("agenttts")), "search", "automation", "--model", server.spec]
    command += [*SMALL, *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_search_over_three_stages(server: LiveServer, tmp_path: Path) -> None:
    found = searched(server, tmp_path, "--set", "strategy=fusion", "--budget", "400", "--trials", "2")
    assert found["state"] == "complete"
    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 2
    judged = {(e["label"], e["split"]): e for e in found["evaluations"]}
    scores = judged["best", "search"]["stage_scores"]
    assert list(scores) == ["decomposition", "tool-selection", "parameter-prediction"]
    # Even the smallest model repeats most words of a request when it splits it.
    assert scores["decomposition"] > 0.2
    assert all(0 <= score <= 1 for score in scores.values())
    assert found["generations"]["paid"] > 0
