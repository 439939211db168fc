"""A proxy in front of a chat server that injects faults, by a seeded mixture, and logs what it did."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from tests.environment.loopback_server import LoopbackServer

Json = dict[str, Any]

REFUSED = ("429", "429 for 1 s", "429 until a date", "500", "502", "503", "reset", "stall", "too long")
"""Faults that keep a request from the server."""
LOST = ("reset in body", "stall in body", "truncated", "no JSON", "no choices")
"""Faults that lose an answer which the server made, and bills."""
CHANGED = ("fewer choices", "filtered", "wrong usage", "no usage")
"""Faults that change an answer."""
PASSING = tuple(fault for fault in (*REFUSED, *LOST, *CHANGED) if fault != "too long")
"""All that another try can mend."""


@dataclass
class FaultProxy(LoopbackServer):
    """Lets requests through to `upstream`, a base URL, but for a share that meets one of `kinds`.

    `lost` counts the samples of answers, by body and place, that the server made and the client did
    not get. `down` answers everything with 503.
    """

    upstream: str
    share: float = 0.3
    kinds: Sequence[str] = PASSING
    seed: int = 0
    down: bool = False
    too_long: Callable[[Json], bool] = lambda body: False
    injected: Counter[str] = field(default_factory=Counter)
    lost: list[tuple[Json, int]] = field(default_factory=list)
    requests: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head, raw = await read_message(reader)
            self.requests += 1
            fault = self._fault(json.loads(raw))
            if fault:
                self.injected[fault] += 1
            if fault in REFUSED:
                await self._refuse(fault, writer)
            else:
                await self._forward(fault, head, raw, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left, as one that timed out does
        finally:
            writer.close()

    def _fault(self, body: Json) -> str:
        if self.down:
            return "503"
        if self.too_long(body):
            return "too long"
        if self._random.random() >= self.share:
            return ""
        return self._random.choice(self.kinds)

    async def _refuse(self, fault: str, writer: asyncio.StreamWriter) -> None:
        if fault == "reset":
            writer.transport.abort()
        elif fault == "stall":
            await asyncio.Event().wait()
        elif fault == "too long":
            text = {"error": {"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}}
            await answer(writer, 400, json.dumps(text).encode())
        else:
            soon = datetime.now(UTC) + timedelta(seconds=1)
            waits = {"429 for 1 s": "1", "429 until a date": format_datetime(soon, usegmt=True)}
            headers = [f"Retry-After: {waits[fault]}"] if fault in waits else []
            await answer(writer, int(fault[:3]), b'{"error": {"message": "injected"}}', headers)

    async def _forward(self, fault: str, head: bytes, raw: bytes, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(raw)
        address = urlsplit(self.upstream)
        up_reader, up_writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            up_writer.write(head + raw)
            await up_writer.drain()
            status, content = await read_answer(up_reader)
        finally:
            up_writer.close()
        if status != 200 or not fault:
            await answer(writer, status, content)
            return
        made = json.loads(content)
        if fault in LOST:
            self.lost += [(asked, place) for place in range(len(made["choices"]))]
            await self._lose(fault, content, writer)
        else:
            self._change(fault, asked, made)
            await answer(writer, status, json.dumps(made).encode())

    async def _lose(self, fault: str, content: bytes, writer: asyncio.StreamWriter) -> None:
        if fault in ("reset in body", "stall in body"):
            writer.write(status_line(200, len(content)) + content[: len(content) // 2])
            await writer.drain()
            if fault == "stall in body":
                await asyncio.Event().wait()
            writer.transport.abort()
            return
        broken = {"truncated": content[:-9], "no JSON": b"<html>oops</html>", "no choices": b'{"choices": []}'}
        await answer(writer, 200, broken[fault])

    def _change(self, fault: str, asked: Json, made: Json) -> None:
        choices = made["choices"]
        if fault == "fewer choices":
            kept = self._random.randrange(len(choices)) or 1
            self.lost += [(asked, place) for place in range(kept, len(choices))]
            del choices[kept:]
        elif fault == "filtered":
            place = self._random.randrange(len(choices))
            self.lost.append((asked, place))
            choices[place] |= {"finish_reason": "content_filter", "message": {"role": "assistant", "content": None}}
        elif fault == "no usage":
            made["usage"] = None
        else:
            wrong = [{"prompt_tokens": -1}, {"completion_tokens": "many"}, "none", {"prompt_tokens": 0}]
            made["usage"] = self._random.choice(wrong)


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head of an HTTP message as it came, and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head.decode().splitlines()[1:])}
    return head, await reader.readexactly(int(headers["content-length"]))


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The status and the body of an HTTP answer."""
    head, content = await read_message(reader)
    return int(head.split()[1]), content


def status_line(status: int, length: int, headers: Sequence[str] = ()) -> bytes:
    """The head of an answer."""
    lines = [f"HTTP/1.1 {status} Proxied", f"Content-Length: {length}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


async def answer(writer: asyncio.StreamWriter, status: int, content: bytes, headers: Sequence[str] = ()) -> None:
    """Sends a whole answer."""
    writer.write(status_line(status, len(content), headers) + content)
    await writer.drain()
