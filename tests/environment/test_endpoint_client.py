from __future__ import annotations

import asyncio
import gzip

import openai
import pytest

from environment.backends.endpoint import Endpoint
from environment.backends.endpoint_client import async_client, was_sent
from tests.environment.chat_server import ChatServer, Reply, choice, completion
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


async def said_by(server: ChatServer) -> str | None:
    async with async_client(Endpoint(server.base_url), timeout=20) as client:
        answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    return answer.choices[0].message.content


async def test_a_compressed_answer_is_read() -> None:
    content = str(completion(choice("packed", index=0)).content).encode()
    async with ChatServer(
        script=[Reply(content=gzip.compress(content), headers=("Content-Encoding: gzip",))]
    ) as server:
        assert await said_by(server) == "packed"


async def test_a_request_follows_where_the_server_has_moved_to() -> None:
    async with ChatServer(script=[completion(choice("here", index=0))]) as moved:
        there = Reply(307, headers=(f"Location: {moved.base_url}/chat/completions",))
        async with ChatServer(script=[there, there]) as server:
            assert await said_by(server) == "here"
        assert moved.bodies == [server.bodies[0]]
