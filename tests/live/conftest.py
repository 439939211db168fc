"""One llama.cpp server with SmolLM2 for all live tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "local_models.py"
MODEL = "smollm2-135m-instruct"


@dataclass(frozen=True)
class LiveServer:
    """A running server: the --model argument that names it, and its addresses."""

    spec: str
    model: str = MODEL

    @property
    def url(self) -> str:
        """The OpenAI-compatible base URL."""
        return self.spec.partition("@")[2]

    @property
    def root(self) -> str:
        """Where llama.cpp's own routes begin, such as /tokenize."""
        return self.url.removesuffix("/v1")


@pytest.fixture(scope="session")
def server() -> Iterator[LiveServer]:
    """Started as a user starts it, with weights from the cache or fetched by name.

    AGENTTTS_MODELS names another folder of model files.
    """
    pytest.importorskip("xllamacpp", reason="needs the extra live")
    command = [sys.executable, str(SCRIPT), "serve", MODEL, "--port", "0", "--threads", "1"]
    if cache := os.environ.get("AGENTTTS_MODELS"):
        command += ["--cache", cache]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        option, _, spec = process.stdout.readline().strip().partition(" ")
        try:
            assert option == "--model", "the server did not start; its words are above"
            yield LiveServer(spec)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
