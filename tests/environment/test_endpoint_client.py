from __future__ import annotations

import asyncio

import openai
import pytest

from environment.backends.endpoint import Endpoint
from environment.backends.endpoint_client import async_client, was_sent
from tests.environment.loopback_server import LoopbackServer


class Leaving(LoopbackServer):
    """Reads a request and closes the connection without an answer."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()


async def failure_at(url: str) -> openai.APIConnectionError:
    async with async_client(Endpoint(url), timeout=20) as client:
        with pytest.raises(openai.APIConnectionError) as failed:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    return failed.value


async def test_a_request_that_a_server_read_was_sent_though_the_connection_failed() -> None:
    async with Leaving() as server:
        assert was_sent(await failure_at(server.base_url))


async def test_a_request_that_nobody_took_was_not_sent() -> None:
    assert not was_sent(await failure_at("http://127.0.0.1:1/v1"))
