"""A key leaves no trace in anything that a search writes, whatever goes wrong on the way."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from agent.session import run
from agenttts.cli.app import _resumption
from agenttts.dashboard.application import DashboardSettings
from agenttts.serving.application import ServeSettings
from environment.backends.keys import SERVICE, key_of
from tests.agent.agent_server import completion, diligent, refusal, serving
from tests.agenttts.test_pipelines import Run, agenttts
from tests.postgresql import POSTGRESQL, on_postgresql
from tools.errors import SessionInterrupted

__all__ = ["agenttts"]  # the fixture

KEY = "sk-recognisable-0123456789abcdef"
"""No server knows it."""
TOLD = (401, f"Incorrect API key provided: {KEY}. See http://user:{KEY}@proxy.example/"), (429, f"slow down, {KEY}")


@pytest.mark.slow
def test_a_live_search_writes_its_key_nowhere(tmp_path: Path) -> None:
    faults = list(TOLD)
    running: list[subprocess.Popen[str]] = []
    listed: list[bytes] = []

    def answer(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if running:
            listed.append(Path(f"/proc/{running[-1].pid}/cmdline").read_bytes())
        if faults and request["model"] == ("m" if len(faults) == 2 else "agent"):
            return refusal(*faults.pop(0))
        return completion("Ana Bell") if request["model"] == "m" else diligent(request)

    def agenttts(*arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-c", "from agenttts.cli.app import main; main()", "-v", *arguments]
        environment = {**os.environ, "OPENAI_API_KEY": KEY, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes))
        out, err = running[-1].communicate(timeout=120)
        assert running.pop().returncode == code, err
        return out + err

    with serving(answer) as server:
        told = agenttts(
            *("search", "multihop", "--model", f"m:1B@{server.url}", "--searcher", "llm", "--agent-model", "agent"),
            *("--agent-url", server.url, "--trials", "4", "--batch", "2", "--set", "search_examples=1"),
            *("--set", "held_out_examples=1", "--set", "sample_counts=[1,2]"),
            code=1,
        )
        assert "[key]" in told, "the fault was told, without the key that it repeats"
        told += agenttts("resume", "last")
    told += agenttts("show", "last", "--json", "--transcripts", "--trials")
    told += agenttts("export", "last", "--output", "session.jsonl", "--with-samples")
    refused = agenttts("search", "multihop", "--model", f"m:oneB@http://user:{KEY}@127.0.0.1:9/v1", code=2)
    refused += agenttts("search", "multihop", "--model", f"m:1B@http://user:{KEY}@127.0.0.1:9/v1", code=2)
    assert not faults
    assert listed
    written = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"agenttts.db"} <= set(written)
    written |= {"output": told.encode(), "refusals": refused.encode(), "process list": b"".join(listed)}
    assert [name for name, content in written.items() if KEY.encode() in content] == []


PASSWORD = "recognisable-0123456789"  # noqa: S105 - no server asks for it


def test_a_database_s_password_is_in_nothing_that_tells_of_it(
    agenttts: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://user:{PASSWORD}@127.0.0.1:1/name"
    told: list[str] = []
    for command in (
        ("-v", "show", "last", "--storage", url),
        ("sessions", "--storage", url),
        ("doctor", "--storage", url, "--json"),
        ("export", "last", "--storage", url),
        ("ui", "--port", "0", "--storage", url),
        ("show", "last", "--storage", url.replace("postgresql", "mysql")),
        ("show", "last", "--storage", url.replace(":1/", ":one/")),
        ("show", "last", "--storage", f"postgresql://127.0.0.1:1/x?sslpassword={PASSWORD}"),
    ):
        code, out, err = agenttts(*command)
        assert code in (1, 2), command
        told += [out, err]
    stopped = SessionInterrupted("a1", url)
    told += [repr(stopped), str(stopped), _resumption(stopped)]
    assert told[-1] == "agenttts resume a1 --storage 'postgresql+psycopg://user:***@127.0.0.1:1/name'"
    monkeypatch.setenv("AGENTTTS_STORAGE", url)
    assert _resumption(stopped) == "agenttts resume a1"
    told += [repr(DashboardSettings(url, PASSWORD, ())), repr(ServeSettings("m", token=PASSWORD))]

    options = {"search_examples": 2, "held_out_examples": 2}
    file = f"sqlite:///{tmp_path / 'a.db'}"
    found = run("simulated-2wiki", searcher="random", trials=1, task_options=options, storage=file)
    held = replace(found, storage=url)
    kept = pickle.dumps(held)
    told += [repr(held), str(held), repr(vars(pickle.loads(kept))), kept.decode("latin-1")]  # noqa: S301 - our own
    assert pickle.loads(kept).storage == "postgresql+psycopg://user@127.0.0.1:1/name"  # noqa: S301
    assert held.storage == url
    assert [text for text in told if PASSWORD in text] == []


@on_postgresql
def test_a_session_behind_a_password_tells_it_nowhere(
    agenttts: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    url = make_url(POSTGRESQL).set(password=PASSWORD)
    storage = url.render_as_string(hide_password=False)
    monkeypatch.setenv("AGENTTTS_STORAGE", storage)
    options = {"search_examples": 2, "held_out_examples": 2}
    found = run("simulated-2wiki", searcher="planner", trials=3, task_options=options, storage=storage)
    found.report(tmp_path / "from_python.html")
    told = [repr(found), found._repr_html_(), pickle.dumps(found).decode("latin-1")]
    for command in (
        ("show", found.session_id, "--json", "--trials", "--transcripts", "--guidelines"),
        ("show", found.session_id),
        ("sessions", "--json"),
        ("report", found.session_id, "--output", "report.html"),
        ("export", found.session_id, "--output", "log.jsonl", "--with-samples"),
        ("doctor", "--json"),
    ):
        code, out, err = agenttts(*command)
        assert code in (0, 1), (command, err)
        told += [out, err]
    told += [caplog.text, *(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())]
    assert any(path.name == "report.html" for path in tmp_path.iterdir())
    assert [text[:200] for text in told if PASSWORD in text] == []


def test_keys_come_from_the_environment_else_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring", reason="needs the extra keyring")
    backend = pytest.importorskip("keyring.backend")

    class Memory(backend.KeyringBackend):  # type: ignore[misc, name-defined]
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return json.dumps([service, username]) if username == "HELD_KEY" else None

        def set_password(self, service: str, username: str, password: str) -> None: ...

        def delete_password(self, service: str, username: str) -> None: ...

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        monkeypatch.delenv("HELD_KEY", raising=False)
        assert key_of("HELD_KEY") == json.dumps([SERVICE, "HELD_KEY"])
        assert key_of("OTHER_KEY") == ""
        monkeypatch.setenv("HELD_KEY", "from the environment")
        assert key_of("HELD_KEY") == "from the environment"
    finally:
        keyring.set_keyring(before)
