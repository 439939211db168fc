"""An OpenAI-compatible server on the loopback address that can be told what to support and when to fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.environment.loopback_server import LoopbackServer

Body = dict[str, Any]


@dataclass(frozen=True)
class Traits:
    """What the server supports. `beyond` says what it does when asked for more choices than `most_choices`."""

    most_choices: int = 1000
    beyond: str = "cap"  # or: param, prose, words
    usage: str = "sum"  # or: first, absent, nonsense, zero
    logprobs: bool = True
    seed: bool = True
    limit: str = "max_tokens"
    indexed: bool = True
    schema: bool = True
    models: tuple[str, ...] | None = ("m",)  # what GET /models lists; None: there is no such list


@dataclass(frozen=True)
class Reply:
    """One scripted answer. `content` overrides the body; `fault` breaks the connection."""

    status: int = 200
    content: str | bytes | None = None
    headers: tuple[str, ...] = ()
    fault: str = ""  # or: reset, reset in body, stall, dribble


def error(message: str, *, status: int = 400, **fields: Any) -> Reply:
    """An error in OpenAI's own form."""
    return Reply(status, json.dumps({"error": {"message": message, **fields}}))


def text_of(seed: int) -> str:
    """What a seed draws: texts of different lengths."""
    return " ".join(["word"] * (1 + seed % 5) + [str(seed)])


def tokens_of(text: str) -> int:
    """The server's own count: a token a word and one for the end."""
    return len(text.split()) + 1


def logprobs_of(text: str) -> Body:
    """The server's list of a text's tokens: the first has the log-probability -0.25, the next -0.5, and so on."""
    return {"content": [{"token": "?", "logprob": -0.25 * (place + 1)} for place in range(tokens_of(text))]}


def completion(*choices: Any, usage: Any = None) -> Reply:
    """A scripted completion of these choices."""
    return Reply(content=json.dumps({"choices": choices, "usage": usage}))


def choice(text: str | None, finish_reason: str = "stop", **fields: Any) -> Body:
    """One choice as a server sends it."""
    return {"message": {"role": "assistant", "content": text}, "finish_reason": finish_reason, **fields}


@dataclass
class ChatServer(LoopbackServer):
    """Answers /v1/chat/completions: first the scripted replies in turn, then as its traits say.

    Choice i of a request with seed s is the text of seed s + i. Answers leave after `latency` seconds;
    `hold` keeps every request waiting until it is set.
    """

    traits: Traits = field(default_factory=Traits)
    latency: float = 0.0
    script: list[Reply | Callable[[Body], Reply]] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    bodies: list[Body] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    drawn: list[int] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self.hold.set()

    def in_its_loop(self, call: Callable[[], object]) -> None:
        """Has something called where the server runs, by a test in another thread."""
        self._server.get_loop().call_soon_threadsafe(call)

    def stop_listening(self) -> None:
        """Refuses connections from now on."""
        self._server.close()

    @property
    def asked(self) -> list[int]:
        """How many choices each request asked for."""
        return [body.get("n", 1) for body in self.bodies]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head.splitlines()[1:])}
            if head.startswith("GET "):
                await self._answer(writer, self._listing(head.split()[1]))
                return
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.bodies.append(body)
            self.authorizations.append(headers.get("authorization", ""))
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                await self.hold.wait()
                reply = self._reply(head.split()[1], body)
                await asyncio.sleep(self.latency)
                await self._answer(writer, reply)
            finally:
                self.in_flight -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left, as one that timed out does
        finally:
            writer.close()

    def _listing(self, path: str) -> Reply:
        if path != "/v1/models" or self.traits.models is None:
            return error(f"no such path: {path}", status=404)
        listed = [{"id": name, "object": "model"} for name in self.traits.models]
        return Reply(content=json.dumps({"object": "list", "data": listed}))

    def _reply(self, path: str, body: Body) -> Reply:
        if path != "/v1/chat/completions":
            return error(f"no such path: {path}", status=404)
        if self.script:
            scripted = self.script.pop(0)
            return scripted(body) if callable(scripted) else scripted
        return self._refusal(body) or self.complete(body)

    def _refusal(self, body: Body) -> Reply | None:
        traits, asked = self.traits, body.get("n", 1)
        if asked > traits.most_choices and traits.beyond == "param":
            return error("too many", param="n")
        if asked > traits.most_choices and traits.beyond == "prose":
            problem = {"loc": ["body", "n"], "msg": f"n must be at most {traits.most_choices}"}
            return Reply(422, json.dumps({"detail": [problem]}))
        if asked > traits.most_choices and traits.beyond == "words":
            return Reply(400, json.dumps({"error": {"code": 400, "message": "Only one completion choice is allowed"}}))
        if "logprobs" in body and not traits.logprobs:
            return error("This model does not support logprobs", param="logprobs")
        if "seed" in body and not traits.seed:
            return error("Unsupported parameter: 'seed'", param="seed")
        if traits.limit not in body:
            return error(f"Unsupported parameter: 'max_tokens'. Use '{traits.limit}' instead.", param="max_tokens")
        return None

    def complete(self, body: Body) -> Reply:
        """The completion that the server's traits make of a request."""
        count = min(body.get("n", 1), self.traits.most_choices)
        seeds = [body.get("seed", 0) + place for place in range(count)]
        self.drawn += seeds
        choices = []
        for place, seed in enumerate(seeds):
            numbered = {"index": place} if self.traits.indexed else {}
            listed = {"logprobs": logprobs_of(text_of(seed))} if "logprobs" in body else {}
            text = '{"colour": "red"}' if "response_format" in body and self.traits.schema else text_of(seed)
            choices.append(choice(text, **numbered, **listed))
        each = [tokens_of(text_of(seed)) for seed in seeds]
        usage = {
            "sum": {"prompt_tokens": 7, "completion_tokens": sum(each)},
            "first": {"prompt_tokens": 7, "completion_tokens": each[0]},
            "zero": {"prompt_tokens": 7, "completion_tokens": 0},
            "nonsense": {"prompt_tokens": "many", "completion_tokens": -3},
            "absent": None,
        }[self.traits.usage]
        return completion(*choices, usage=usage)

    async def _answer(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        content = reply.content or b""
        raw = content.encode() if isinstance(content, str) else content
        head = [f"HTTP/1.1 {reply.status} Scripted", f"Content-Length: {len(raw)}", "Content-Type: application/json"]
        start = "\r\n".join([*head, "Connection: close", *reply.headers, "", ""]).encode()
        await FAULTS[reply.fault](writer, start, raw)


async def _whole(writer: asyncio.StreamWriter, start: bytes, raw: bytes) -> None:
    writer.write(start + raw)
    await writer.drain()


async def _reset(writer: asyncio.StreamWriter, start: bytes, raw: bytes) -> None:
    writer.transport.abort()


async def _reset_in_body(writer: asyncio.StreamWriter, start: bytes, raw: bytes) -> None:
    writer.write(start + raw[: len(raw) // 2])
    await writer.drain()
    writer.transport.abort()


async def _stall(writer: asyncio.StreamWriter, start: bytes, raw: bytes) -> None:
    await asyncio.Event().wait()


async def _dribble(writer: asyncio.StreamWriter, start: bytes, raw: bytes) -> None:
    writer.write(start)
    for position in range(len(raw)):
        writer.write(raw[position : position + 1])
        await writer.drain()
        await asyncio.sleep(0.02)


FAULTS: dict[str, Callable[[asyncio.StreamWriter, bytes, bytes], Awaitable[None]]] = {
    "": _whole,
    "reset": _reset,
    "reset in body": _reset_in_body,
    "stall": _stall,
    "dribble": _dribble,
}
