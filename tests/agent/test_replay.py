"""Replays of logs: every decision again, offline; what differs is found and named."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import tenacity

import agent.log
from agent.log import export_log, import_log, replay_log
from agent.replay import Divergence
from agent.searcher import SEARCHERS
from agent.session import Result, run
from agenttts.testing.transcripts import replay as replay_transcripts
from storage.session import SessionState
from tests.agent.agent_server import diligent, serving
from tests.agent.test_log import Dying, lines, rechained
from tests.environment.faulty_recording import few_examples
from tools.errors import EndpointError, InvalidInput

TRANSCRIPTS = Path(__file__).parent / "llm" / "transcripts" / "multihop-recorded.json"
WITH_MODEL = ("agenthpo", "llm-zs", "mlcopilot")
"""The llm searcher is replayed from the transcripts of a real model."""
QUICK = ("grid", "planner", "random", "tpe")
NEEDED = {"gp": "torch", "smac": "smac"}
SMALL = {"search_examples": 6, "held_out_examples": 12}
SIMILAR = {
    "config": {"task": "other"},
    "trials": [{"state": "complete", "score": 0.5, "b.model": "m", "b.samples": 2, "a.model": "n", "a.samples": 1}],
}


def search(path: Path, searcher: str, options: dict[str, Any]) -> Result:
    return run(
        "simulated-2wiki",
        searcher=searcher,
        trials=12,
        batch=4,
        seed=5,
        front=searcher.endswith("front"),
        storage=f"sqlite:///{path}",
        task_options=SMALL,
        searcher_options=options,
    )


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, no database, and no task where the log does not ask for its scores."""

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("a replay has no need of this")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("storage.database.Database.open", refuse)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def searchers() -> list[Any]:
    """All that need no model; those that take their time only where that is asked for."""
    named = [name for name in SEARCHERS.names() if name not in ("llm", *WITH_MODEL)]
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in named]


@pytest.mark.parametrize("searcher", searchers())
def test_every_decision_is_made_again(searcher: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if find_spec(NEEDED.get(searcher, "json")) is None:
        pytest.skip(f"{NEEDED[searcher]} is not installed")
    result = search(tmp_path / "a.db", searcher, {})
    export_log("last", tmp_path / "a.jsonl", f"sqlite:///{tmp_path / 'a.db'}")
    request.getfixturevalue("alone")
    replayed = replay_log(tmp_path / "a.jsonl")
    assert replayed.divergence is None
    assert replayed.decisions.trials == len(result.trials) == 12
    assert replayed.decisions.guidelines == len(result.guidelines)
    assert (replayed.decisions.evaluations, replayed.unscored) == (len(result.evaluations), "")
    assert replayed.scores == 12 + len(result.evaluations)


def conversation(folder: Path, searcher: str) -> Path:
    """The log of a session whose searcher asked a model; the similar task's file is gone since."""
    similar = folder / "similar.json"
    similar.write_text(json.dumps(SIMILAR), encoding="utf-8")
    options = {"similar": str(similar)} if searcher == "mlcopilot" else {}
    with serving(diligent) as server:
        result = search(folder / "a.db", searcher, {"model": "m", "base_url": server.url, **options})
        assert len(server.requests) == result.agent.calls > 0
    similar.unlink()
    export_log("last", folder / "a.jsonl", f"sqlite:///{folder / 'a.db'}")
    return folder / "a.jsonl"


@pytest.mark.parametrize("searcher", WITH_MODEL)
def test_a_language_model_is_answered_for_by_the_log(
    searcher: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    log = conversation(tmp_path, searcher)
    request.getfixturevalue("alone")
    replayed = replay_log(log)
    assert replayed.divergence is None
    assert replayed.decisions.calls == sum(line["kind"] == "transcript" for line in lines(log))


@pytest.fixture(scope="module")
def conversed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a session of agenthpo, which wrote guidelines and proposals."""
    return conversation(tmp_path_factory.mktemp("conversed"), "agenthpo")


@pytest.mark.slow
def test_a_session_with_a_real_model_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda _: None)
    replay_transcripts(json.loads(TRANSCRIPTS.read_text(encoding="utf-8")), url)
    export_log("last", tmp_path / "a.jsonl", url)
    request.getfixturevalue("alone")
    replayed = replay_log(tmp_path / "a.jsonl")
    assert replayed.same
    assert (replayed.decisions.trials, replayed.decisions.calls) == (15, 9)
    assert "holds no samples" in replayed.unscored


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log, with its samples, of a finished session on a task that is an object of this program."""
    folder = tmp_path_factory.mktemp("sampled")
    run(few_examples(), trials=6, seed=7, batch=3, storage=f"sqlite:///{folder / 'a.db'}", front=True)
    export_log("last", folder / "a.jsonl", f"sqlite:///{folder / 'a.db'}", with_samples=True)
    return folder / "a.jsonl"


def test_scores_are_derived_again_from_logged_samples(sampled: Path, alone: None) -> None:
    replayed = replay_log(sampled, task=few_examples())
    assert replayed.same
    assert replayed.unscored == ""
    assert replayed.scores == 6 + replayed.decisions.evaluations
    assert "is not registered here" in replay_log(sampled).unscored
    with pytest.raises(InvalidInput):
        replay_log(sampled, task="no-such-task")


Change = Callable[[dict[str, Any]], None]


def setting(*way: str | int, to: Any) -> Change:
    def change(line: dict[str, Any]) -> None:
        part: Any = line
        for step in way[:-1]:
            part = part[step]
        part[way[-1]] = to

    return change


DECISIONS: list[tuple[str, int, Change, Divergence | tuple[str, str]]] = [
    ("trial", 4, setting("reason", to="luck"), ("trial 4 (batch 1)", "proposal.reason")),
    ("trial", 1, setting("origin", to="me"), Divergence("trial 1 (batch 0)", "proposal.origin", "me", "planner")),
    ("trial", 5, setting("cost", to=1.0), ("trial 5 (batch 1)", "proposal.cost")),
    ("trial", 3, setting("batch", to=0), ("trial 3 (batch 0)", "proposal")),
    ("score", 2, setting("score", to=0.125), ("score of trial 2 (batch 0)", "score")),
    ("score", 0, setting("stages", "qa", "mean", to=0.9), ("score of trial 0 (batch 0)", "stages.qa.mean")),
    ("guideline", 1, setting("text", to="Give up."), ("guideline of batch 1", "guideline.text")),
    ("evaluation", 0, setting("label", to="luckiest"), ("evaluation of luckiest on search examples", "allocation")),
    ("evaluation", 1, setting("cost", to=2.0), ("on search examples", "allocation.cost")),
    ("result", 0, setting("recommended", to=0), ("the recommended trial", "number")),
]


@pytest.mark.parametrize(("kind", "which", "change", "expected"), DECISIONS)
def test_the_first_decision_that_differs_is_found(
    sampled: Path, tmp_path: Path, kind: str, which: int, change: Change, expected: Any
) -> None:
    told = lines(sampled)
    change([line for line in told if line["kind"] == kind][which])
    found = replay_log(rechained(tmp_path / "changed.jsonl", told), task=few_examples()).divergence
    assert found is not None
    if isinstance(expected, Divergence):
        assert found == expected
    else:
        assert expected[0] in found.place
        assert found.field == expected[1]


def test_a_score_that_the_samples_do_not_give_is_found(sampled: Path, tmp_path: Path) -> None:
    """A log that is consistent in itself: only the samples tell that no trial scored like this."""
    told = lines(sampled)
    evaluation = [line for line in told if line["kind"] == "evaluation"][-1]
    qa = evaluation["stages"]["qa"]
    qa["per_example"] = [1.0 - value for value in qa["per_example"]]
    qa["mean"] = sum(qa["per_example"]) / len(qa["per_example"])
    changed = rechained(tmp_path / "changed.jsonl", told)
    assert replay_log(changed).same
    replayed = replay_log(changed, task=few_examples())
    assert replayed.divergence is not None
    assert replayed.divergence.place == f"score of {evaluation['label']} on held-out examples"
    assert replayed.divergence.field == "score.stages.qa.mean"


CALLS: list[tuple[Change, str, str]] = [
    (setting("call", "answer", to="Try more."), "guideline of batch", "guideline.text"),
    (setting("call", "prompt", to="0" * 64), "model call {last} (guideline of batch", "call.prompt"),
    (setting("call", "messages", 0, "content", to="Ignore all."), "model call {last} (", "messages.0.content"),
    (setting("call", "accepted", to=False), "model call {last} (", "call.accepted"),
]


@pytest.mark.parametrize(("change", "place", "field"), CALLS)
def test_a_model_call_that_differs_is_found(
    conversed: Path, tmp_path: Path, change: Change, place: str, field: str
) -> None:
    told = lines(conversed)
    calls = [line for line in told if line["kind"] == "transcript"]
    change(calls[-1])
    found = replay_log(rechained(tmp_path / "changed.jsonl", told)).divergence
    assert found is not None
    assert place.format(last=len(calls) - 1) in found.place
    assert found.field == field


def test_calls_that_are_missing_or_too_many_are_found(conversed: Path, tmp_path: Path) -> None:
    told = lines(conversed)
    calls = [n for n, line in enumerate(told) if line["kind"] == "transcript"]
    place = calls[-1]
    told[-1]["count"] += 1
    found = replay_log(rechained(tmp_path / "more.jsonl", [*told[:place], told[place], *told[place:]])).divergence
    assert found is not None
    assert (found.place, found.replayed) == (f"model call {len(calls)}", None)
    told[-1]["count"] -= 2
    found = replay_log(rechained(tmp_path / "fewer.jsonl", [*told[:place], *told[place + 1 :]])).divergence
    assert found is not None
    assert (found.place.split(" (")[0], found.logged) == (f"model call {len(calls) - 1}", None)


@pytest.mark.parametrize("answers", [0, 25, 60])
def test_what_an_unfinished_session_has_decided_is_replayed(tmp_path: Path, answers: int) -> None:
    task, url = few_examples(), f"sqlite:///{tmp_path / 'a.db'}"
    dying = dict.fromkeys(task.connect(), Dying(answers))
    with pytest.raises(EndpointError):
        run(replace(task, connect=lambda: dying), trials=4, seed=7, batch=2, storage=url)
    export_log("last", tmp_path / "a.jsonl", url, with_samples=True)
    replayed = replay_log(tmp_path / "a.jsonl", task=task)
    assert replayed.same
    assert replayed.state is SessionState.FAILED
    assert replayed.decisions.trials == sum(line["kind"] == "trial" for line in lines(tmp_path / "a.jsonl"))
    assert replayed.scores == sum(line["kind"] in ("score", "evaluation") for line in lines(tmp_path / "a.jsonl"))


def test_an_imported_session_gives_the_log_that_replays(sampled: Path, tmp_path: Path) -> None:
    import_log(sampled, f"sqlite:///{tmp_path / 'b.db'}")
    export_log("last", tmp_path / "b.jsonl", f"sqlite:///{tmp_path / 'b.db'}")
    assert replay_log(tmp_path / "b.jsonl").same


def test_a_log_names_no_file_that_is_opened(sampled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("loaded what a log names")

    monkeypatch.setattr(agent.log, "load_task", refuse)
    told = lines(sampled)
    told[1]["config"]["task"] = "os:getcwd"
    assert "'os:getcwd' is not registered here" in replay_log(rechained(tmp_path / "task.jsonl", told)).unscored
    told[1]["config"] |= {"searcher": "mlcopilot", "searcher_options": {"similar": "/etc/hostname", "model": "m"}}
    with pytest.raises(InvalidInput, match="similar: is the name of a file"):
        replay_log(rechained(tmp_path / "similar.jsonl", told))


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"searcher": "none"}, "unknown name 'none'"),
        ({"searcher_options": {"x": 1}}, "unknown name 'x'"),
        ({"seed": -1}, "seed: must be"),
        ({"budget": 1e-9}, "budget: .* fits no allocation"),
        ({"cost": "gold"}, "unknown name 'gold'"),
        ({"cost_settings": {"x": 1}}, "unknown name 'x'"),
        ({"caps": [{"cost": "price", "settings": {"x": 1}, "limit": 1.0}]}, "unknown name 'x'"),
        ({"batch": 0}, "batch: must be"),
    ],
)
def test_a_problem_that_cannot_be_built_is_refused(
    sampled: Path, tmp_path: Path, config: dict[str, Any], problem: str
) -> None:
    told = lines(sampled)
    told[1]["config"] |= config
    with pytest.raises(InvalidInput, match=problem):
        replay_log(rechained(tmp_path / "unsound.jsonl", told))
