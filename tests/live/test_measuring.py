"""Seconds measured on a real llama.cpp server, and a search under a cap on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.conftest import LiveServer
from tests.live.test_search import SMALL, document

pytestmark = pytest.mark.live


def test_what_a_session_took_is_measured_and_caps_the_next(server: LiveServer, tmp_path: Path) -> None:
    command = ("search", "multihop", "--model", server.spec, *SMALL)
    first = document(*command, "--budget", "200", "--trials", "5", cwd=tmp_path)
    measured = document("measure", "--session", "last", "--output", "measured.json", cwd=tmp_path)
    for subtask in ("retrieval", "qa"):
        line = measured[subtask][server.model]
        assert line["requests"] > 3
        assert line["largest"] > 1, "the server gives several samples a request"
        assert line["prompt_tokens"] > line["generation_tokens"] > 0
        assert max(line["per_request"], line["per_prompt_token"], line["per_token"], line["per_step"]) > 0
    budget = ("budget", "multihop", "--model", server.spec, *SMALL, "--cost", "latency", "--measured", "measured.json")
    seconds = document(*budget, cwd=tmp_path)
    assert 0 < seconds["budget"] < 600
    cap = ("--cap", f"latency={1.2 * seconds['budget']}", "--measured", "measured.json")
    second = document(*command, *cap, "--budget", "200", "--trials", "3", cwd=tmp_path)
    assert second["config"]["caps"][0]["settings"]["table"] == measured
    assert second["generations"]["paid"] <= first["generations"]["paid"]
