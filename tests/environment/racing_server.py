"""An OpenAI-compatible server on the loopback address that streams answers in a given order and notes who left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from tests.environment.chat_server import Body, choice, logprobs_of, text_of, tokens_of
from tests.environment.loopback_server import LoopbackServer


class RacingServer(LoopbackServer):
    """Sends the first word of each answer, and the rest when `together` requests have come, in `order` of seeds.

    The next answer is ended when the client has taken the one before, so that the order of finishing
    is certain however busy the machine is. `started`, `answered` and `abandoned` are its log: seeds
    whose request came, was answered, and whose connection the client closed before the end.

    A `status` other than 200 is sent in place of an answer. `refuses` names a field that it does not
    take; without "stream" it answers as a whole. Seeds in `breaks` lose their connection, once.
    """

    def __init__(self) -> None:
        self.order: Sequence[int] = ()
        self.together = 1
        self.status = 200
        self.refuses = ""
        self.breaks: set[int] = set()
        self.bodies: list[Body] = []
        self.started: list[int] = []
        self.answered: list[int] = []
        self.abandoned: set[int] = set()
        self._turn = asyncio.Condition()

    async def all_left(self) -> None:
        """Waits until no connection is open: what the client cancels it closes a moment later."""
        while self._handlers:
            await asyncio.wait(self._handlers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next(line for line in head.splitlines() if line.startswith("content-length:"))
            body = json.loads(await reader.readexactly(int(length.partition(":")[2])))
            self.bodies.append(body)
            if self.refuses and self.refuses in body:
                _send(writer, 400, json.dumps({"error": {"message": f"Unknown field: {self.refuses}"}}).encode())
                return
            await self._race(reader, writer, body)
        finally:
            writer.close()

    async def _race(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: Body) -> None:
        seed = body["seed"]
        first, rest = _pieces(text_of(seed), body)
        if self.status == 200:
            writer.write(first)
        if seed in self.breaks:
            self.breaks.remove(seed)
            await writer.drain()
            return
        async with self._turn:
            self.started.append(seed)
            self._turn.notify_all()
        left, turn = asyncio.ensure_future(reader.read()), asyncio.ensure_future(self._wait_for_turn(seed))
        await asyncio.wait({left, turn}, return_when=asyncio.FIRST_COMPLETED)
        if not turn.done():
            turn.cancel()
            self.abandoned.add(seed)
            return
        if self.status == 200:
            writer.write(rest)
            writer.write_eof()
        else:
            _send(writer, self.status, b"{}")
        await left
        async with self._turn:
            self.answered.append(seed)
            self._turn.notify_all()

    async def _wait_for_turn(self, seed: int) -> None:
        async with self._turn:
            await self._turn.wait_for(lambda: self._next() == seed)

    def _next(self) -> int | None:
        unanswered = list(self.order)[len(self.answered) :]
        return unanswered[0] if unanswered and len(self.started) >= self.together else None


def _pieces(text: str, body: Body) -> tuple[bytes, bytes]:
    """The bytes of a whole response: what is sent at once, and what ends it."""
    usage = {"prompt_tokens": 7, "completion_tokens": tokens_of(text)}
    if "stream" not in body:
        whole = json.dumps({"choices": [choice(text, logprobs=logprobs_of(text))], "usage": usage}).encode()
        return b"", _head(200, "application/json", len(whole)) + whole
    tokens = logprobs_of(text)["content"]
    first, rest = text[:4], text[4:]
    chunks = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": first}, "logprobs": {"content": tokens[:1]}}]},
        {"choices": [{"index": 0, "delta": {"content": rest}, "logprobs": {"content": tokens[1:]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    if "stream_options" in body:
        chunks.append({"choices": [], "usage": usage})
    begun, *ended = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return _head(200, "text/event-stream") + (begun + ended[0]).encode(), (
        "".join(ended[1:]) + "data: [DONE]\n\n"
    ).encode()


def _send(writer: asyncio.StreamWriter, status: int, content: bytes) -> None:
    writer.write(_head(status, "application/json", len(content)) + content)


def _head(status: int, kind: str, length: int | None = None) -> bytes:
    sized = "" if length is None else f"Content-Length: {length}\r\n"
    return f"HTTP/1.1 {status} Scripted\r\nContent-Type: {kind}\r\n{sized}Connection: close\r\n\r\n".encode()
