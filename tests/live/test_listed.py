"""A search over strategies and temperatures on a real llama.cpp server."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.database import Database
from storage.samples import SampleStore
from tests.live.conftest import LiveServer
from tests.live.test_search import SMALL, document

pytestmark = pytest.mark.live

STRATEGIES = ("--set", 'strategies={"qa":["majority","fusion","revision","best-of-n"]}')
TEMPERATURES = ("--set", "temperatures=[0.3,1]")


def test_trials_run_under_the_strategy_and_temperature_they_name(server: LiveServer, tmp_path: Path) -> None:
    command = ("search", "multihop", "--model", server.spec, *SMALL, *STRATEGIES, *TEMPERATURES, "--budget", "200")
    found = document(*command, "--searcher", "random", "--trials", "6", cwd=tmp_path)
    assert {trial["state"] for trial in found["trials"]} == {"complete"}
    assert len({trial["qa.strategy"] for trial in found["trials"]}) > 1
    assert {trial["retrieval.temperature"] for trial in found["trials"]} == {0.3, 1.0}
    assert set(found["best"]["allocation"]["retrieval"]) == {"model", "samples", "temperature"}
    assert set(found["best"]["allocation"]["qa"]) == {"model", "samples", "strategy", "temperature"}
    with Database.open(f"sqlite:///{tmp_path / 'agenttts.db'}") as database:
        assert SampleStore(database).count() >= found["generations"]["paid"]
    again = document(*command, "--searcher", "random", "--trials", "6", cwd=tmp_path)
    assert again["generations"]["paid"] == 0
    assert again["evaluations"] == found["evaluations"]


def test_a_model_as_search_agent_is_asked_for_both(server: LiveServer, tmp_path: Path) -> None:
    command = ("search", "multihop", "--model", server.spec, *SMALL, *STRATEGIES, *TEMPERATURES, "--budget", "200")
    agent = ("--searcher", "llm", "--agent-model", server.model, "--agent-url", server.url)
    short = ("--searcher-set", "max_tokens=100", "--searcher-set", "functions=false", "--trials", "2", "--batch", "1")
    found = document(*command, *agent, *short, cwd=tmp_path)
    assert len(found["trials"]) == 2
    shown = document("show", found["session"], "--transcripts", cwd=tmp_path)
    asked = [call["messages"][-1]["content"] for call in shown["transcripts"] if call["purpose"] == "propose"]
    assert asked
    assert all('"strategy": "NAME", "temperature": NUMBER' in content for content in asked)
