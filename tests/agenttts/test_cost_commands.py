"""Costs, caps and measurements on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.agenttts.test_command_line import Run, agenttts, document

__all__ = ["agenttts"]


@pytest.mark.slow
def test_measure_writes_what_search_and_budget_read(agenttts: Run, tmp_path: Path) -> None:
    found = document(agenttts("measure", "--output", "measured.json", "--json"))
    assert json.loads((tmp_path / "measured.json").read_text()) == found
    assert set(found) == {"retrieval", "qa"}
    capped = ("--cap", "latency=3", "--cap", "tokens=900", "--measured", "measured.json")
    shown = document(agenttts("budget", *capped, "--json"))
    assert [cap["cost"] for cap in shown["caps"]] == ["latency", "tokens"]
    assert 0 < shown["feasible_allocations"] < shown["all_allocations"]
    assert all(row["one_sample_latency"] > 0 for row in shown["choices"])
    searched = document(agenttts("search", *capped, "--trials", "12", "--json"))
    assert [cap["limit"] for cap in searched["config"]["caps"]] == [3, 900]
    assert "latency at most 3 seconds" in " ".join(agenttts("budget", *capped).stdout.split())
    assert "at most 3 seconds" in " ".join(agenttts("show").stdout.split())
    again = document(agenttts("measure", "--session", "last", "--json"))
    assert set(again) == {"retrieval", "qa"}
    assert agenttts("measure").returncode == 0


def test_settings_of_a_cost_are_taken(agenttts: Run) -> None:
    plain = document(agenttts("budget", "--cost", "flops", "--json"))
    full = document(agenttts("budget", "--cost", "flops", "--cost-set", "attention=true", "--json"))
    assert full["default_budget"] > plain["default_budget"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "--cap", "latency"), "--cap: 'latency' is not NAME=VALUE"),
        (("search", "--cap", "latency=fast"), "--cap: latency must be a number, got 'fast'"),
        (("search", "--cap", "latency=1", "--cap", "latency=2"), "--cap: a cost stands twice"),
        (("search", "--cap", "latency=0.1"), "cap latency: 0.1 seconds fits no allocation"),
        (("search", "--cap", "price=1"), "model 'smollm2-135m-instruct' prices: unknown"),
        (("search", "simulated-2wiki", "--cap", "tokens=9"), "tokens cost: needs measurements"),
        (("search", "--cost-set", "attention=true"), "cost_settings: belong to a cost model that is named"),
        (("search", "--cost", "flops", "--cost-set", "atention=true"), "did you mean 'attention'"),
        (("search", "--cap", "latency=1", "--measured", "no.json"), "--measured: no.json cannot be read"),
        (("measure", "simulated-2wiki"), "task: 'simulated-2wiki' is not recorded"),
        (("measure", "--output", "no/where.json"), "--output: no/where.json cannot be written"),
        (("measure", "--session", "last"), "session: no session is called 'last'"),
    ],
)
def test_bad_input_is_one_line(agenttts: Run, arguments: tuple[str, ...], message: str) -> None:
    done = agenttts(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["", "3", "{}", '{"qa": {"m": 1}}', "[[["])
def test_a_damaged_file_of_measurements_is_one_line(agenttts: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    done = agenttts("search", "--cap", "latency=1", "--measured", "bad.json")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
