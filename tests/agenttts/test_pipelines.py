"""A pipeline of one's own from the first file to the resumed search, as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import agenttts as tts
from agenttts.cli.app import main
from environment.loading import load_task
from environment.multihop.recorded import recorded_task
from environment.task import HELD_OUT, SEARCH, Task
from storage.archive import Archive
from storage.database import Database
from storage.session import SessionState
from tests.environment.chat_server import ChatServer
from tests.environment.served import served
from tools.errors import InvalidInput

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def agenttts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["agenttts", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0), *capsys.readouterr()

    return run


def document(done: tuple[int, str, str]) -> Any:
    code, out, err = done
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with served() as running:
        yield running.server


WAYS = [
    ((), "pipeline.yaml", "pipeline.yaml"),
    (("--python",), "pipeline.py", "pipeline.py:pipeline"),
    (("--langgraph",), "graph.py", "graph.py:pipeline"),
]


@pytest.mark.parametrize(("options", "file", "task"), WAYS)
@pytest.mark.slow
def test_a_starter_is_checked_searched_shown_and_resumed_as_it_is(
    agenttts: Run, tmp_path: Path, options: tuple[str, ...], file: str, task: str
) -> None:
    made = document(agenttts("init", *options, "--json"))
    assert made == {"folder": ".", "files": [file, "examples.jsonl"], "task": task}

    checked = document(agenttts("check", task, "--json"))
    assert checked["examples"] == {"search": 20, "held-out": 20}
    assert checked["warnings"] == []
    assert (checked["feasible_allocations"], checked["all_allocations"]) == (179, 225)
    assert len(checked["prompts"]) == 2
    assert checked["answers_in_prompts"] == "recorded"
    less, more = checked["estimate"]["with_reuse"], checked["estimate"]["without_reuse"]
    assert 0 < less["generations"] < more["generations"]
    assert 0 < less["hours"] < more["hours"]
    assert not (tmp_path / "agenttts.db").exists()

    found = document(agenttts("search", task, "--trials", "4", "--batch", "4", "--json"))
    assert found["state"] == "complete"
    assert found["recorded_from"].startswith("smollm2")
    assert found["config"]["task"] == str(tmp_path / task)
    assert {score for e in found["evaluations"] for score in e["stage_scores"]} == set(checked["prompts"])

    (tmp_path / file).unlink()
    assert document(agenttts("show", "--json")) == found, "a session is shown without its pipeline"
    assert document(agenttts("resume", "--json")) == found, "a finished one has nothing left to run"


@pytest.mark.parametrize(("options", "file", "task"), WAYS)
def test_a_starter_asks_exactly_what_the_recorded_benchmark_asks(
    agenttts: Run, tmp_path: Path, options: tuple[str, ...], file: str, task: str
) -> None:
    document(agenttts("init", *options, "--json"))
    ours, theirs = load_task(task), recorded_task(strategy="majority" if options == ("--langgraph",) else "fusion")
    for split in (SEARCH, HELD_OUT):
        assert [e.id for e in ours.examples(split)] == [e.id for e in theirs.examples(split)[:20]]
    if options == ("--langgraph",):
        return  # its search found every sample in the recording
    for example, theirs_example in zip(ours.search_examples, theirs.search_examples, strict=False):
        for position in range(2):
            upstream = {"retrieval": theirs_example.gold[:2]} if position else {}
            mine, other = ours.stages[position], theirs.stages[position]
            assert mine.sampling == other.sampling
            assert mine.messages(example, upstream) == other.messages(theirs_example, upstream)
            responses = ["one", "two"]
            assert mine.fusion_messages(example, upstream, responses) == other.fusion_messages(
                theirs_example, upstream, responses
            )


def test_a_changed_starter_says_that_it_needs_a_server(agenttts: Run, tmp_path: Path) -> None:
    document(agenttts("init", "--json"))
    file = tmp_path / "pipeline.yaml"
    file.write_text(file.read_text().replace("Copy the two facts", "Copy both facts"))
    for command in ("check", "search"):
        code, _, err = agenttts(command, "pipeline.yaml")
        assert code == 1
        assert "a changed prompt or data set has no recorded answers" in err


def test_init_overwrites_nothing(agenttts: Run, tmp_path: Path) -> None:
    code, out, _ = agenttts("init", "new/folder")
    assert code == 0
    assert "cd new/folder && agenttts check pipeline.yaml" in out
    (tmp_path / "new/folder/examples.jsonl").write_text("mine")
    (tmp_path / "new/folder/pipeline.yaml").unlink()
    code, _, err = agenttts("init", "new/folder")
    assert code == 2
    assert "is there already" in err
    assert (tmp_path / "new/folder/examples.jsonl").read_text() == "mine"
    assert not (tmp_path / "new/folder/pipeline.yaml").exists()
    assert agenttts("init", "--python", "--langgraph")[0] == 2


def live(tmp_path: Path, url: str) -> Path:
    """A pipeline file on an endpoint, with prices."""
    (tmp_path / "data.csv").write_text("id,n\n" + "".join(f"e{number},{number}\n" for number in range(8)))
    file = tmp_path / "live.yaml"
    file.write_text(
        f"""
models:
  - {{name: small, parameters: 1B, endpoint: "{url}", prompt_price: 0.1, generation_price: 0.4}}
  - {{name: large, parameters: 9B, endpoint: "{url}", prompt_price: 1, generation_price: 4}}
dataset: {{file: data.csv}}
subtasks:
  - name: count
    prompt_tokens: 3
    generation_tokens: 4
    metric: {{name: numeric, gold: n}}
    prompt: "Count to {{{{ example.n }}}}"
max_samples: 4
strategy: majority
cost: price
budget: 0.0001
"""
    )
    return file


def test_a_search_on_an_endpoint_pays_once_and_keeps_the_key_to_itself(
    agenttts: Run, tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    file = live(tmp_path, server.base_url)
    found = document(agenttts("search", "live.yaml", "--yes", "--trials", "5", "--json"))
    assert found["state"] == "complete"
    assert found["config"]["budget"] == 0.0001
    assert found["config"]["cost"] == "price"
    assert set(server.authorizations) == {"Bearer sk-very-secret"}
    assert all("sk-very-secret" not in path.read_bytes().decode("latin-1") for path in tmp_path.glob("*.db*"))
    asked = len(server.bodies)
    again = document(agenttts("search", str(file), "--yes", "--trials", "5", "--json"))
    assert len(server.bodies) == asked
    assert again["generations"]["paid"] == 0
    assert again["evaluations"] == found["evaluations"]


def test_check_sends_nothing_and_counts_dollars(agenttts: Run, tmp_path: Path, server: ChatServer) -> None:
    live(tmp_path, server.base_url)
    checked = document(agenttts("check", "live.yaml", "--trials", "3", "--json"))
    assert server.bodies == []
    assert checked["answers_in_prompts"] == "placeholders"
    assert checked["prompts"]["count"] == [{"role": "user", "content": "Count to 0"}]
    assert 0 < checked["estimate"]["with_reuse"]["dollars"] <= checked["estimate"]["without_reuse"]["dollars"]
    assert not list(tmp_path.glob("*.db"))
    code, out, _ = agenttts("check", "live.yaml")
    assert code == 0
    for expected in ("Count to 0", "no mistakes", "dollars", "of 8 allocations fit"):
        assert expected in out


def test_check_warns_of_a_typical_length_that_is_far_off(agenttts: Run, tmp_path: Path) -> None:
    file = live(tmp_path, "http://127.0.0.1:1/v1")
    file.write_text(file.read_text().replace("prompt_tokens: 3", "prompt_tokens: 3000"))
    (warning,) = document(agenttts("check", "live.yaml", "--budget", "1", "--json"))["warnings"]
    assert "prompt_tokens says 3,000" in warning


@pytest.mark.parametrize("command", ["check", "search", "budget"])
def test_bad_input_is_told_with_its_line(agenttts: Run, tmp_path: Path, command: str) -> None:
    file = live(tmp_path, "http://127.0.0.1:1/v1")
    file.write_text(file.read_text().replace("gold: n", "gold: m"))
    code, _, err = agenttts(command, "live.yaml")
    assert code == 2
    assert "live.yaml line 10, subtasks[0].metric.gold: the examples have no field 'm'; they have: id, n" in err


def test_an_endpoint_that_fails_leaves_a_session_that_goes_on_once_it_is_back(
    agenttts: Run, tmp_path: Path, server: ChatServer
) -> None:
    file = live(tmp_path, server.base_url)
    refusing = (
        live(tmp_path, "http://127.0.0.1:1/v1")
        .read_text()
        .replace("models:", 'endpoints: {here: {url: "http://127.0.0.1:1/v1", max_attempts: 1}}\nmodels:')
    )
    file.write_text(refusing)
    code, _, err = agenttts("search", "live.yaml", "--yes", "--trials", "3")
    assert code == 1
    assert "http://127.0.0.1:1/v1" in err
    shown = document(agenttts("show", "--json"))
    assert shown["state"] == "failed"
    file.write_text(refusing.replace("http://127.0.0.1:1/v1", server.base_url))
    code, _, err = agenttts("resume")
    assert code == 2
    assert "has changed since the session began" in err
    assert server.bodies == []


@pytest.mark.slow
def test_a_moved_file_is_named_again(agenttts: Run, tmp_path: Path, server: ChatServer) -> None:
    server.hold.clear()
    live(tmp_path, server.base_url)
    code = "from agenttts.cli.app import main; main()"
    command = [sys.executable, "-c", code, "search", "live.yaml", "--yes", "--trials", "4"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        while not server.bodies:
            assert process.poll() is None
        process.kill()
    server.hold.set()
    (tmp_path / "moved").mkdir()
    for name in ("live.yaml", "data.csv"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    left, _, err = agenttts("resume")
    assert left == 2
    assert "live.yaml: cannot be read" in err
    found = document(agenttts("resume", "last", "--task", "moved/live.yaml", "--json"))
    assert found["state"] == "complete"
    assert len(found["trials"]) == 4


def test_an_object_is_searched_and_handed_over_again_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ChatServer
) -> None:
    monkeypatch.chdir(tmp_path)
    storage = f"sqlite:///{tmp_path / 'sessions.db'}"

    def built(text: str = "count to") -> tts.Pipeline:
        models = [tts.Model("m", 3e9, endpoint=server.base_url)]
        rows = [{"n": number} for number in range(6)]
        pipeline = tts.Pipeline("counting", models=models, examples=rows, max_samples=3, strategy="majority")

        @pipeline.stage(prompt_tokens=3, generation_tokens=4, metric="numeric", gold="n")
        def count(example: Any, upstream: Any) -> str:
            return f"{text} {example['n']}"

        return pipeline

    whole = tts.run(task=built(), budget=1e9, trials=3, searcher="grid", storage=storage)
    assert whole.config.task == "handed-over:counting"
    assert len(whole.trials) == 3
    with Database.open(storage) as database:
        archive = Archive(database)
        record = archive.create_session(whole.config)
        archive.set_state(record.id, SessionState.INTERRUPTED)
    with pytest.raises(InvalidInput, match="was an object of a program"):
        tts.resume(record.id, storage)
    with pytest.raises(InvalidInput, match="has changed since the session began"):
        tts.resume(record.id, storage, task=built("go to"))
    gone_on = tts.resume(record.id, storage, task=built())
    assert [trial.score for trial in gone_on.trials] == [trial.score for trial in whole.trials]
    assert gone_on.usage.paid == 0
    assert isinstance(built().task(), Task)
    with pytest.raises(InvalidInput, match="must be a Pipeline"):
        tts.run(task=3, storage=storage)  # type: ignore[arg-type]


def test_one_mistake_is_told_in_a_line_and_check_lists_them_all(agenttts: Run, tmp_path: Path) -> None:
    document(agenttts("init", "--json"))
    text = (tmp_path / "pipeline.yaml").read_text()
    (tmp_path / "pipeline.yaml").write_text(text.replace("gold: gold", "gold: gone").replace("exact_match", "exactly"))
    for command in ("budget", "search", "check"):
        code, out, err = agenttts(command, "pipeline.yaml")
        assert (code, out) == (2, "")
        heading, *listed = err.splitlines()
        assert heading.startswith("Error: ")
        assert "pipeline.yaml" in heading
        if command == "check":
            assert heading.endswith("has 2 mistakes:")
            assert len(listed) == 2
        else:
            assert heading.endswith(" (the first of 2 mistakes, which `agenttts check` lists)")
            assert not listed
