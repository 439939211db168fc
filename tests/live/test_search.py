"""A search from the command line on a real llama.cpp server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import LiveServer

pytestmark = pytest.mark.live

SMALL = ("--set", "search_examples=3", "--set", "held_out_examples=2", "--set", "max_samples=3")


def document(*arguments: str, cwd: Path) -> Any:
    command = [str(Path(sys.executable).with_name("agenttts")), *arguments, "--json"]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_search_on_a_live_model_pays_once(server: LiveServer, tmp_path: Path) -> None:
    command = ("search", "multihop", "--model", server.spec, *SMALL, "--budget", "200", "--trials", "4")
    first = document(*command, cwd=tmp_path)
    assert first["state"] == "complete"
    assert len(first["trials"]) == 4
    assert {trial["state"] for trial in first["trials"]} == {"complete"}
    judged = {(e["label"], e["split"]): e for e in first["evaluations"]}
    assert judged["best", "held-out"]["examples"] == 2
    assert 0 <= judged["best", "held-out"]["stage_scores"]["qa"] <= 1
    generations = first["generations"]
    assert 0 < generations["paid"] == generations["fresh"] < generations["requested"]
    assert generations["prompt_tokens"] > generations["paid"], "a prompt is longer than a token"
    assert generations["generation_tokens"] >= generations["paid"] / 2

    second = document(*command, cwd=tmp_path)
    assert second["generations"]["paid"] == 0
    assert second["generations"]["prompt_tokens"] == second["generations"]["generation_tokens"] == 0
    assert second["evaluations"] == first["evaluations"]
    assert [trial["score"] for trial in second["trials"]] == [trial["score"] for trial in first["trials"]]


def test_a_model_is_its_own_search_agent(server: LiveServer, tmp_path: Path) -> None:
    command = ("search", "multihop", "--model", server.spec, *SMALL, "--budget", "200", "--trials", "2", "--batch", "1")
    # A model this small talks until its context is full unless it is stopped.
    agent = ("--searcher", "llm", "--agent-model", server.model, "--agent-url", server.url)
    agent += ("--searcher-set", "max_tokens=100")
    found = document(*command, *agent, cwd=tmp_path)
    assert found["state"] == "complete"
    assert len(found["trials"]) == 2
    assert all(trial["cost"] <= 200 for trial in found["trials"])
    shown = document("show", found["session"], "--transcripts", cwd=tmp_path)
    assert shown["transcripts"]
    assert {call["model"] for call in shown["transcripts"]} == {server.model}
    assert all(call["answer"] or call["tool_calls"] for call in shown["transcripts"])
    assert all(call["messages"] and call["generation_tokens"] for call in shown["transcripts"])
    assert "propose" in {call["purpose"] for call in shown["transcripts"]}
