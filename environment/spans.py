"""Spans of what a session does, for whoever traces it; nothing where nobody does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import wraps
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from environment.backends.endpoint import Endpoint

Attributes = Mapping[str, Any]
"""Names to texts, numbers, bools and lists of these."""
Coro = TypeVar("Coro", bound=Callable[..., Awaitable[Any]])


class Span(Protocol):
    """A piece of work that is under way."""

    def set(self, attributes: Attributes) -> None:
        """Adds what became known about it."""
        ...


class Tracing(Protocol):
    """Takes down spans. Calls come from the event loop and from threads that it waits for.

    `content` says whether prompts and answers may stand in spans.
    """

    content: bool

    def span(self, name: str, attributes: Attributes, *, client: bool = False) -> AbstractContextManager[Span]:
        """Surrounds a piece of work within the one under way; `client` says that another machine does it."""
        ...


class _Silent:
    def set(self, attributes: Attributes) -> None:
        """Nobody traces."""


_TRACING: ContextVar[Tracing | None] = ContextVar("agenttts_tracing", default=None)
_SILENT: Span = _Silent()


def trace_with(tracing: Tracing) -> None:
    """Has whatever runs in this context from now on traced: this task and what it starts."""
    _TRACING.set(tracing)


def span(name: str, attributes: Attributes, *, client: bool = False) -> AbstractContextManager[Span]:
    """Surrounds a piece of work, where this context is traced."""
    tracing = _TRACING.get()
    return nullcontext(_SILENT) if tracing is None else tracing.span(name, attributes, client=client)


def spanned(
    name: str, told: Callable[..., Attributes], found: Callable[[Any], Attributes] = lambda _: {}
) -> Callable[[Coro], Coro]:
    """Decorator that makes each call of a coroutine function a span: `told` of its arguments, `found` of its result."""

    def decorate(work: Coro) -> Coro:
        @wraps(work)
        async def within(*args: Any, **kwargs: Any) -> Any:
            if _TRACING.get() is None:
                return await work(*args, **kwargs)
            with span(name, told(*args, **kwargs)) as under_way:
                result = await work(*args, **kwargs)
                under_way.set(found(result))
                return result

        return cast(Coro, within)

    return decorate


class ChatSpan:
    """One request to a chat model, by OpenTelemetry's conventions for generative AI."""

    def __init__(self, under_way: Span, content: bool) -> None:
        self._span, self._content = under_way, content

    def answered(
        self,
        texts: Sequence[str | None],
        finish_reasons: Sequence[str | None],
        prompt_tokens: int | None,
        generation_tokens: int | None,
    ) -> None:
        """Notes the answer: its choices' texts and ends, and the tokens that the server counted."""
        found: dict[str, Any] = {
            "gen_ai.response.finish_reasons": [reason or "" for reason in finish_reasons],
            "gen_ai.usage.input_tokens": prompt_tokens,
            "gen_ai.usage.output_tokens": generation_tokens,
        }
        if self._content:
            found["gen_ai.output.messages"] = [
                {"role": "assistant", "parts": [_part(text or "")], "finish_reason": reason or ""}
                for text, reason in zip(texts, finish_reasons, strict=True)
            ]
        self._span.set({name: value for name, value in found.items() if value is not None})


@contextmanager
def chat_span(endpoint: Endpoint, body: Mapping[str, Any]) -> Iterator[ChatSpan]:
    """Surrounds one request; `body` is what is sent. Never a key, and no text unless the tracing wants content."""
    tracing = _TRACING.get()
    if tracing is None:
        yield ChatSpan(_SILENT, content=False)
        return
    with tracing.span(f"chat {body['model']}", _request(endpoint, body, tracing.content), client=True) as under_way:
        yield ChatSpan(under_way, tracing.content)


def _request(endpoint: Endpoint, body: Mapping[str, Any], content: bool) -> Attributes:
    address = urlsplit(endpoint.base_url)
    stop, choices = body.get("stop"), body.get("n", 1)
    known = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": endpoint.provider,
        "gen_ai.request.model": body["model"],
        "gen_ai.request.max_tokens": body.get("max_completion_tokens", body.get("max_tokens")),
        "gen_ai.request.temperature": body.get("temperature"),
        "gen_ai.request.top_p": body.get("top_p"),
        "gen_ai.request.seed": body.get("seed"),
        "gen_ai.request.choice.count": choices if choices != 1 else None,
        "gen_ai.request.stop_sequences": list(stop) if stop else None,
        "gen_ai.output.type": "json" if "response_format" in body else "text",
        "server.address": address.hostname,
        "server.port": address.port or (443 if address.scheme == "https" else 80),
    }
    if content:
        known["gen_ai.input.messages"] = [
            {"role": message["role"], "parts": [_part(str(message.get("content") or ""))]}
            for message in body["messages"]
        ]
    return {name: value for name, value in known.items() if value is not None}


def _part(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}
