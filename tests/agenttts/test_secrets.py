"""A key leaves no trace in anything that a search writes, whatever goes wrong on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from environment.backends.keys import SERVICE, key_of
from tests.agent.agent_server import completion, diligent, refusal, serving

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
