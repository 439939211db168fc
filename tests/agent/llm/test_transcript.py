"""A session with a real model (Qwen2.5-Coder-1.5B-Instruct, Apache-2.0), replayed without it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import tenacity

from agenttts.testing.transcripts import differences, replay
from tools.errors import AgentttsError

FILE = Path(__file__).parent / "transcripts" / "multihop-recorded.json"
AGAIN = (
    "Where a prompt, the belief or the planner was changed on purpose, record the session again: "
    "python scripts/record_agent_transcript.py (its first lines say how to serve the model)."
)


@pytest.fixture
def session() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda _: None)


def replayed(session: Any, tmp_path: Path) -> Any:
    return replay(session, f"sqlite:///{tmp_path / 'replay.db'}")


def test_the_same_answers_make_the_same_proposals_and_guidelines(session: Any, tmp_path: Path) -> None:
    try:
        result = replayed(session, tmp_path)
    except AgentttsError as error:
        pytest.fail(f"{error}\n{AGAIN}")
    assert differences(session, result) == [], AGAIN


def test_it_shows_the_model_at_work(session: Any) -> None:
    """A recording in which nothing was proposed, or nothing refused, would prove little."""
    assert {call["model"] for call in session["transcripts"]} == {"qwen2.5-coder-1.5b-instruct"}
    assert {"guidelines", "propose", "repair"} <= {call["purpose"] for call in session["transcripts"]}
    assert "llm" in {trial["origin"] for trial in session["trials"] if trial["batch"]}
    assert all("statistical model" in call["messages"][1]["content"] for call in session["transcripts"])
    assert FILE.stat().st_size < 150_000


def test_the_first_question_that_differs_is_named(session: Any, tmp_path: Path) -> None:
    call = session["transcripts"][2]
    call["messages"][-1]["content"] += "!"
    with pytest.raises(AgentttsError, match=rf"transcript 2 \({call['purpose']}, batch {call['batch']}\) differs"):
        replayed(session, tmp_path)


def test_a_missing_answer_is_named(session: Any, tmp_path: Path) -> None:
    count = len(session["transcripts"]) - 1
    session["transcripts"] = session["transcripts"][:count]
    with pytest.raises(AgentttsError, match=f"more is asked than the {count} recorded calls"):
        replayed(session, tmp_path)


def test_another_answer_makes_other_proposals(session: Any, tmp_path: Path) -> None:
    """The last guideline is asked nothing after it: its change is seen in the result alone."""
    changed = copy.deepcopy(session)
    changed["transcripts"][-1]["answer"] = "Try more."
    found = differences(session, replayed(changed, tmp_path))
    assert len(found) == 1
    assert "text is 'Try more.' instead of" in found[0]
