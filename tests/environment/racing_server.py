"""An OpenAI-compatible server on the loopback address that answers in a given order and notes who left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from types import TracebackType

from tests.environment.chat_server import choice, logprobs_of, text_of, tokens_of


class RacingServer:
    """Holds requests until `together` have come, then answers those with the seeds in `order` one by one.

    The next answer leaves when the client has taken the one before, so that the order of finishing
    is certain however busy the machine is. `started`, `answered` and `abandoned` are its log: seeds
    whose request came, was answered, and whose connection the client closed before an answer.
    """

    def __init__(self) -> None:
        self.order: Sequence[int] = ()
        self.together = 1
        self.status = 200
        self.started: list[int] = []
        self.answered: list[int] = []
        self.abandoned: set[int] = set()
        self._turn = asyncio.Condition()
        self._handlers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> RacingServer:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._handlers:
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await self._server.wait_closed()

    async def all_left(self) -> None:
        """Waits until no connection is open: what the client cancels it closes a moment later."""
        while self._handlers:
            await asyncio.wait(self._handlers)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next(line for line in head.splitlines() if line.startswith("content-length:"))
            seed = json.loads(await reader.readexactly(int(length.partition(":")[2])))["seed"]
            async with self._turn:
                self.started.append(seed)
                self._turn.notify_all()
            left, turn = asyncio.ensure_future(reader.read()), asyncio.ensure_future(self._wait_for_turn(seed))
            await asyncio.wait({left, turn}, return_when=asyncio.FIRST_COMPLETED)
            if not turn.done():
                turn.cancel()
                self.abandoned.add(seed)
                return
            self._answer(writer, seed)
            await left
            async with self._turn:
                self.answered.append(seed)
                self._turn.notify_all()
        finally:
            writer.close()

    async def _wait_for_turn(self, seed: int) -> None:
        async with self._turn:
            await self._turn.wait_for(lambda: self._next() == seed)

    def _next(self) -> int | None:
        unanswered = list(self.order)[len(self.answered) :]
        return unanswered[0] if unanswered and len(self.started) >= self.together else None

    def _answer(self, writer: asyncio.StreamWriter, seed: int) -> None:
        text = text_of(seed)
        usage = {"prompt_tokens": 7, "completion_tokens": tokens_of(text)}
        body = json.dumps({"choices": [choice(text, logprobs=logprobs_of(text))], "usage": usage}).encode()
        head = f"HTTP/1.1 {self.status} Scripted\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
