"""The endpoint's application: who may ask, how much at once, and what is answered."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from agenttts.serving.chat import ChatRequest, chunks, completion, head_of, opening, text_field
from environment.allocated import Allocated, Answer
from tools.errors import AgentttsError, EndpointError, InvalidInput

LOG = logging.getLogger(__name__)

SECONDS_BETWEEN_SIGNS = 10.0
"""A stream shows that it lives this often, so that no proxy closes it while the stages run."""
SECONDS_TO_SEND = 30.0
"""How long a client may take to send its request."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How the endpoint is guarded.

    `token` is the bearer token that requests must carry; "" lets everyone in who reaches it, and
    then only requests that name one of `hosts` are answered, so that no web page can reach a local
    endpoint under a name of its own. `most_bytes` bounds a request's body, `concurrency` the
    answers under way and `waiting` those that wait for one. `timeout` is in seconds for one answer.
    """

    model: str
    input_field: str | None = None
    token: str = field(default="", repr=False)
    hosts: tuple[str, ...] = ()
    most_bytes: int = 1_000_000
    concurrency: int = 8
    waiting: int = 32
    timeout: float = 600.0


class Refused(Exception):
    """A request that is not answered: its status and why."""

    def __init__(self, status: int, problem: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem)
        self.status = status
        self.headers = headers or {}

    def response(self) -> Response:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": str(self), "type": kind, "code": self.status}
        return JSONResponse({"error": error}, self.status, self.headers)


def application(pipeline: Allocated, settings: ServeSettings) -> Starlette:
    """Routes /v1/chat/completions, /v1/models and /health. Raises InvalidInput for a wrong input field."""
    endpoint = _Endpoint(pipeline, settings, text_field(pipeline.task, settings.input_field))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with pipeline:
            yield

    routes = [
        Route("/v1/chat/completions", endpoint.chat, methods=["POST"]),
        Route("/v1/models", endpoint.models, methods=["GET"]),
        Route("/health", lambda _: JSONResponse({"status": "ok"}), methods=["GET"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


class _Endpoint:
    def __init__(self, pipeline: Allocated, settings: ServeSettings, field: str) -> None:
        self._pipeline = pipeline
        self._settings = settings
        self._field = field
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._inside = 0

    async def models(self, request: Request) -> Response:
        try:
            self._admit(request)
        except Refused as refused:
            return refused.response()
        return JSONResponse({"object": "list", "data": [{"id": self._settings.model, "object": "model"}]})

    async def chat(self, request: Request) -> Response:
        settings = self._settings
        try:
            self._admit(request)
            asked = ChatRequest.read(await self._body(request))
            question = asked.question(self._field)
            if self._inside >= settings.concurrency + settings.waiting:
                raise Refused(429, "too many requests at once; try again later", {"Retry-After": "1"})
            if asked.stream:
                stream = self._stream(question, include_usage=asked.stream_options.include_usage)
                return _Streamed(stream, self._place())
            with self._place():
                return JSONResponse(completion(await self._unless_gone(request, question), settings.model))
        except InvalidInput as error:
            return Refused(400, str(error)).response()
        except Refused as refused:
            return refused.response()
        except ClientDisconnect:
            return Response(status_code=499)

    def _place(self) -> AbstractContextManager[object]:
        """Counts a request from now on, before others are looked at, until the block ends."""
        self._inside += 1
        place = ExitStack()
        place.callback(self._leave)
        return place

    def _leave(self) -> None:
        self._inside -= 1

    def _admit(self, request: Request) -> None:
        settings = self._settings
        if settings.token:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {settings.token}".encode()):
                raise Refused(401, "a valid bearer token is needed", {"WWW-Authenticate": "Bearer"})
        elif request.headers.get("host", "") not in settings.hosts:
            raise Refused(403, f"this endpoint answers to the hosts {', '.join(settings.hosts)} alone")

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            # A web page may send other kinds to any address without asking.
            raise Refused(415, "the content type must be application/json")
        body = b""
        try:
            async with asyncio.timeout(SECONDS_TO_SEND):
                async for piece in request.stream():
                    body += piece
                    if len(body) > self._settings.most_bytes:
                        raise Refused(413, f"the body has more than {self._settings.most_bytes:,} bytes")
        except TimeoutError:
            raise Refused(408, f"the body did not come within {SECONDS_TO_SEND:g} s") from None
        return body

    async def _unless_gone(self, request: Request, question: dict[str, object]) -> Answer:
        """The answer; given up as soon as nobody waits for it."""
        work = asyncio.create_task(self._answer(question))
        gone = asyncio.create_task(_disconnected(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return work.result()
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _answer(self, question: dict[str, object]) -> Answer:
        """Raises Refused where there is no answer."""
        try:
            async with self._slots, asyncio.timeout(self._settings.timeout):
                return await self._pipeline.answer(question)
        except TimeoutError:
            raise Refused(504, f"no answer within {self._settings.timeout:g} s") from None
        except InvalidInput as error:
            raise Refused(400, str(error)) from None
        except EndpointError as error:
            LOG.warning("%s", error)
            raise Refused(502, "a model's endpoint failed; the log says which") from None
        except AgentttsError as error:
            LOG.warning("%s", error)
            raise Refused(500, str(error)) from None

    async def _stream(self, question: dict[str, object], *, include_usage: bool) -> AsyncIterator[str]:
        """Server-sent events. The answer is whole when the last stage's samples are: then it is sent in pieces."""
        head = head_of("chat.completion.chunk", self._settings.model)
        yield _event(opening(head))
        work = asyncio.create_task(self._answer(question))
        try:
            while not (await asyncio.wait({work}, timeout=SECONDS_BETWEEN_SIGNS))[0]:
                yield ": working\n\n"
            for chunk in chunks(work.result(), head, include_usage=include_usage):
                yield _event(chunk)
        except Refused as refused:
            yield _event({"error": {"message": str(refused), "code": refused.status}})
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        yield "data: [DONE]\n\n"


class _Streamed(StreamingResponse):
    """Server-sent events that hold a place until they end, even where the client left before the first one."""

    def __init__(self, events: AsyncIterator[str], place: AbstractContextManager[object]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _event(data: dict[str, object]) -> str:
    return f"data: {json.dumps(data, default=str)}\n\n"
