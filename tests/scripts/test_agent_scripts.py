from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from agenttts.testing.transcripts import differences, replay
from tests.agent.agent_server import diligent, serving

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Runs a script in this process."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions with a scripted agent on a real endpoint: one to replay, one without its questions."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as monkeypatch, serving(diligent) as server:
        agent = ("--agent-url", server.url, "--trials", "10")
        run("record_agent_transcript", monkeypatch, *agent, "--output", str(folder / "whole.json"))
        bare = ("--seed", "1", "--without-questions", "--output", str(folder / "bare.json"))
        run("record_agent_transcript", monkeypatch, *agent, *bare)
    return folder


@pytest.mark.slow
def test_what_is_recorded_can_be_replayed(recorded: Path, tmp_path: Path) -> None:
    session = json.loads((recorded / "whole.json").read_text(encoding="utf-8"))
    assert differences(session, replay(session, f"sqlite:///{tmp_path / 'a.db'}")) == []
    assert session["agent"]["calls"] == len(session["transcripts"]) >= 3


@pytest.mark.slow
def test_the_tables_set_each_session_beside_the_planner(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = json.loads((recorded / "bare.json").read_text(encoding="utf-8"))
    assert {len(call["messages"]) for call in bare["transcripts"]} == {0}
    run("agent_against_planner", monkeypatch, *(str(recorded / f"{name}.json") for name in ("whole", "bare")))
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines if line}
    assert len(rows["best search score"]) == 4
    for seed, file in enumerate(("whole", "bare")):
        session = json.loads((recorded / f"{file}.json").read_text(encoding="utf-8"))
        best = max(trial["score"] for trial in session["trials"])
        assert rows["best search score"][2 * seed] == f"{best:.3f}"
        counted = [int(rows[kind][seed].split()[0]) for kind in ("initial", "own", "repaired", "replaced")]
        assert sum(counted) == len(session["trials"])
        assert counted[0] == 5
