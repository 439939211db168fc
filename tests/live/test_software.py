"""Software development on a real llama.cpp server: a model this small writes mostly bad programs, which all are run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.live.conftest import LiveServer
from tests.live.test_search import document

pytestmark = pytest.mark.live

STAGES = ["coding", "static-testing", "dynamic-testing"]
SMALL = ("--set", "search_examples=2", "--set", "held_out_examples=1", "--set", "max_samples=2")


def scores(trial: Mapping[str, float]) -> list[float]:
    return [trial[f"{stage}.score"] for stage in STAGES]


def test_programs_are_written_run_scored_and_stored(server: LiveServer, tmp_path: Path) -> None:
    command = ("search", "software", "--model", server.spec, *SMALL, "--set", "strategy=majority")
    command += ("--budget", "60", "--trials", "2", "--searcher", "random")
    first = document(*command, cwd=tmp_path)
    assert first["state"] == "complete"
    assert len(first["trials"]) == 2
    for trial in first["trials"]:
        assert trial["state"] == "complete"
        assert all(0.0 <= score <= 1.0 for score in scores(trial))
    judged = {(e["label"], e["split"]): e for e in first["evaluations"]}
    assert judged["best", "held-out"]["examples"] == 1
    assert first["generations"]["paid"] >= 9, "three stages on three examples"

    second = document(*command, cwd=tmp_path)
    assert second["generations"]["paid"] == 0
    assert [scores(trial) for trial in second["trials"]] == [scores(trial) for trial in first["trials"]]
    assert second["evaluations"] == first["evaluations"]
