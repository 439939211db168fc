"""Imported by the process that others are forked off: it loads what sessions load where they need it."""

from __future__ import annotations

import asyncio
import tempfile

import tests.agent.killed_sessions  # noqa: F401 - what its processes are started with
from agent.session import run
from environment.backends.endpoint import Endpoint
from environment.backends.endpoint_client import async_client
from tests.environment.faulty_recording import few_examples


async def _connect() -> None:
    await async_client(Endpoint("http://127.0.0.1:9/v1"), 1.0).close()


with tempfile.TemporaryDirectory() as folder:
    run(few_examples(), trials=1, storage=f"sqlite:///{folder}/warm.db")
asyncio.run(_connect())
