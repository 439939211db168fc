from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest

from agenttts.cli.app import main
from agenttts.cli.installation import missing_by_extra
from storage.database import Database
from storage.inspection import standing
from tests.environment.chat_server import ChatServer, Reply, Traits, error
from tests.environment.loopback_server import in_a_thread
from tools.errors import StorageError

KEY = "sk-secret-of-the-test"
Doctor = Callable[..., tuple[int, Any]]


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """The exit code and the document of `agenttts doctor --json` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def run(*arguments: str) -> tuple[int, Any]:
        monkeypatch.setattr(sys, "argv", ["agenttts", "doctor", "--json", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert KEY not in out + err
        return int(left.value.code or 0), json.loads(out) if out else err

    return run


@contextmanager
def endpoint(traits: Traits, *script: Reply) -> Iterator[str]:
    """A server's model as the option --model names it."""
    with in_a_thread(ChatServer(traits=traits, script=list(script))) as server:
        yield f"m:1B@{server.base_url}"


def states(document: Any, subject: str) -> dict[str, str]:
    return {f["says"]: f["state"] for f in document["findings"] if f["subject"].startswith(subject)}


def test_without_endpoints_it_looks_at_the_installation_and_writes_nothing(doctor: Doctor, tmp_path: Path) -> None:
    code, document = doctor()
    assert code == 0
    assert set(states(document, "Python").values()) == {"ok"}
    assert states(document, "database") == {"sqlite:///agenttts.db is not there yet; the first search makes it": "ok"}
    assert list(tmp_path.iterdir()) == []


def test_a_capable_endpoint_is_measured(doctor: Doctor) -> None:
    with endpoint(Traits()) as model:
        code, document = doctor("--model", model)
    (probe,) = document["endpoints"]
    assert code == 0
    assert probe["tokens_per_second"] > 0
    abilities = ("listed", "choices", "json_schema", "logprobs", "usage", "seed")
    assert {name: probe[name] for name in abilities} == dict.fromkeys(abilities, True)
    assert list(states(document, "m at ").values()) == ["ok"]


def test_what_an_endpoint_lacks_is_told_with_its_consequence(doctor: Doctor) -> None:
    lacking = Traits(most_choices=1, usage="absent", logprobs=False, seed=False, schema=False, models=("other",))
    with endpoint(lacking) as model:
        code, document = doctor("--model", model)
    told = [finding for finding in document["findings"] if finding["subject"].startswith("m at ")]
    assert code == 0
    assert [finding["state"] for finding in told] == ["ok"] + ["less"] * 6
    assert all(finding["fix"] for finding in told[1:])
    assert "it lists: other" in told[1]["says"]


def test_a_model_that_wants_another_name_of_the_limit_is_asked_again(doctor: Doctor) -> None:
    with endpoint(Traits(limit="max_completion_tokens", models=None)) as model:
        code, document = doctor("--model", model)
    assert code == 0
    assert document["endpoints"][0]["usage"] is True
    assert document["endpoints"][0]["listed"] is None


@pytest.mark.parametrize(
    ("reply", "says", "fix"),
    [
        (error(f"invalid key {KEY}", status=401), "status 401: ", "OPENAI_API_KEY"),
        (error("no such model", status=404), "status 404: ", "one of its models: small, large"),
        (Reply(content="<html>"), "an answer that is no chat completion", "/v1"),
    ],
)
def test_what_does_not_answer_fails_with_a_fix(doctor: Doctor, reply: Reply, says: str, fix: str) -> None:
    with endpoint(Traits(models=("small", "large")), reply) as model:
        code, document = doctor("--model", model)
    (told,) = [finding for finding in document["findings"] if finding["subject"].startswith("m at ")]
    assert code == 1
    assert told["state"] == "fails"
    assert says in told["says"]
    assert fix in told["fix"]


def test_no_server_is_told(doctor: Doctor) -> None:
    code, document = doctor("--agent-model", "m", "--agent-url", "http://127.0.0.1:1/v1")
    assert code == 1
    problem = document["endpoints"][0]["problem"]
    assert "the connection failed" in problem or "no answer in time" in problem  # the latter on a busy machine


def test_a_pipeline_s_endpoints_are_asked(doctor: Doctor) -> None:
    with endpoint(Traits()) as model:
        code, document = doctor("multihop", "--model", model)
    assert code == 0
    assert [probe["model"] for probe in document["endpoints"]] == ["m"]


def test_bad_input_is_one_line(doctor: Doctor) -> None:
    code, line = doctor("nope")
    assert code == 2
    assert line.count("\n") == 1


def test_a_database_is_looked_at_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Database.open(path):
        pass
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    found = standing(path)
    assert (found.exists, found.up_to_date, found.sessions, found.samples) == (True, True, 0, 0)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    assert not standing(path).up_to_date
    assert standing(path).revision == "0001"
    assert set(files) == {"a.db"}
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match="not a SQLite database"):
        standing(path)


def test_the_extras_are_those_of_the_package() -> None:
    found = missing_by_extra()
    assert set(found) == set(metadata("agenttts").get_all("Provides-Extra") or ()) - {"dev"}
    assert found["serve"] == ()
