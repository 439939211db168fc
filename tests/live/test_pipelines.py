"""The YAML starter on a real llama.cpp server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import LiveServer

pytestmark = pytest.mark.live


def document(*arguments: str, cwd: Path) -> Any:
    command = [str(Path(sys.executable).with_name("agenttts")), *arguments, "--json"]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_yaml_starter_runs_on_a_live_model(server: LiveServer, tmp_path: Path) -> None:
    document("init", cwd=tmp_path)
    file = tmp_path / "pipeline.yaml"
    lines = file.read_text(encoding="utf-8").replace("recording: multihop", "").splitlines()
    model = f'  - {{name: {server.model}, parameters: 134.5M, endpoint: "{server.url}"}}'
    kept = [line for line in lines if "qwen" not in line]
    text = "\n".join(model if line.startswith("  - {name: smollm2") else line for line in kept)
    text = text.replace("search: 20", "search: 3").replace("held_out: 20", "held_out: 2")
    file.write_text(text.replace("[1, 2, 4, 8, 16]", "[1, 2, 4]") + "\nbudget: 100\n", encoding="utf-8")

    checked = document("check", "pipeline.yaml", cwd=tmp_path)
    assert checked["answers_in_prompts"] == "placeholders"
    assert checked["warnings"] == []
    found = document("search", "pipeline.yaml", "--trials", "4", cwd=tmp_path)
    assert found["state"] == "complete"
    assert found["recorded_from"] == ""
    assert {trial["state"] for trial in found["trials"]} == {"complete"}
    generations = found["generations"]
    assert 0 < generations["paid"] == generations["fresh"] < generations["requested"]
    again = document("search", "pipeline.yaml", "--trials", "4", cwd=tmp_path)
    assert again["generations"]["paid"] == 0
    assert again["evaluations"] == found["evaluations"]
