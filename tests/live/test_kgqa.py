"""Knowledge-graph question answering on a real llama.cpp server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.conftest import LiveServer

pytestmark = pytest.mark.live

SMALL = (
    "--set",
    "search_examples=6",
    "--set",
    "held_out_examples=2",
    "--set",
    "max_samples=2",
    "--set",
    "candidates=8",
)


@pytest.mark.parametrize(("metric", "name"), [("em", "EM"), ("set-f1", "Set-F1")])
def test_a_search_over_graphs(server: LiveServer, tmp_path: Path, metric: str, name: str) -> None:
    command = [str(Path(sys.executable).with_name("agenttts")), "search", "kgqa", "--model", server.spec, *SMALL]
    command += ["--set", f"metric={metric}", "--set", "strategy=majority", "--budget", "200", "--trials", "2", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 2
    judged = {(e["label"], e["split"]): e for e in found["evaluations"]}
    scores = judged["best", "search"]["stage_scores"]
    assert list(scores) == ["retrieval", "qa"]
    # Even the smallest model copies some of the needed triples, where few are offered.
    assert 0 < scores["retrieval"] <= 1
    assert 0 <= scores["qa"] <= 1
    assert found["generations"]["paid"] > 0
