"""Conversations with the search agent's language model, live or from transcripts."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
import openai
import tenacity
from pydantic import ValidationError

from agent.llm.context import ContextExceeded, says_too_long, stated_context
from agent.llm.reply import Reply
from agent.llm.settings import AgentSettings
from agent.metering import Meter, Unmetered
from agent.searcher import Diverged
from environment.backends.endpoint import Endpoint
from environment.backends.endpoint_client import client
from environment.backends.endpoint_faults import is_passing, readable
from environment.prompt_tokens import estimated_text_tokens
from environment.spans import chat_span
from storage.transcript import Transcript
from tools.errors import EndpointError, InvalidInput
from tools.spending import Spent
from tools.text import storable

LOG = logging.getLogger(__name__)
ANSWER_LIMIT = 20_000
"""Characters of an answer that are read; the rest is dropped."""
OPENAI_URL = "https://api.openai.com/v1"
SHOWN = 200
"""Bytes of an unreadable answer that are told."""
FEATURE_SIGNS = {"tools": ("tool", "jinja"), "response_format": ("response_format", "schema", "grammar")}
"""Words by which servers that lack a feature say so."""
Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function the model wants called; `arguments` is its own, unchecked text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What the model said. `latency` is in seconds."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    prompt_tokens: int = 0
    generation_tokens: int = 0
    latency: float = 0.0


class ChatModel(Protocol):
    """A model to converse with. `name` goes into the transcripts."""

    @property
    def name(self) -> str: ...

    def complete(
        self,
        messages: Messages,
        *,
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> ChatAnswer:
        """The next message: JSON of `schema`, or calls of `tools`, or free text where neither is given.

        Not both at once: a grammar made from a schema leaves no room for calls. An endpoint that
        takes no tools gives an empty answer. `max_tokens` bounds the answer. Raises ContextExceeded
        when the question is too long, else EndpointError when no answer can be had.
        """
        ...


class Unreadable(ValueError):
    """An answer that is no chat completion; the next one may be."""


class OpenAIChat:
    """A chat model behind an OpenAI-compatible endpoint.

    The key is read from the environment variable that the settings name, and kept nowhere. A
    server that refuses schemas or tools is remembered, and is asked without them from then on:
    the prompt states the form of the answer as well, and every answer is checked.
    """

    def __init__(self, settings: AgentSettings, seed: int) -> None:
        """`seed` is sent with every call. Raises InvalidInput where no model or endpoint is named."""
        if not settings.model:
            raise InvalidInput("model", "the search agent needs one; give --agent-model NAME")
        self._endpoint = Endpoint(
            settings.base_url or OPENAI_URL,
            settings.key_env,
            api_version=settings.api_version,
            headers=settings.headers,
        )
        if not settings.base_url and not self._endpoint.secret:
            raise InvalidInput(
                "base_url", f"give --agent-url URL, or set {self._endpoint.key_env} to use OpenAI's endpoint"
            )
        self.name = settings.model
        self._settings = settings
        self._seed = seed % 2**31
        self._refused: set[str] = set()
        self.meter: Meter = Unmetered()

    def complete(
        self,
        messages: Messages,
        *,
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> ChatAnswer:
        """Asks the endpoint, again after faults that may pass."""
        if tools and "tools" in self._refused:
            return ChatAnswer("")
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._endpoint.max_attempts),
            wait=tenacity.wait_exponential_jitter(multiplier=0.5, max=60),
            retry=tenacity.retry_if_exception(_may_pass),
            reraise=True,
        )
        body = {"model": self.name, "messages": list(messages), "max_tokens": max_tokens}
        extras: dict[str, Any] = {"tools": list(tools)} if tools else {}
        if schema is not None:
            wrapped = {"name": "answer", "strict": True, "schema": schema}
            extras["response_format"] = {"type": "json_schema", "json_schema": wrapped}
        try:
            return retrying(self._ask_once, body, extras)
        except openai.APIStatusError as error:
            if says_too_long(error.message):
                raise ContextExceeded(str(self._failed(error.message)), stated_context(error.message)) from None
            raise self._failed(f"status {error.status_code}: {error.message}") from None
        except (openai.APIError, ValueError) as error:
            raise self._failed(str(error)) from None

    def _ask_once(self, body: Mapping[str, Any], extras: Mapping[str, Any]) -> ChatAnswer:
        while True:
            wanted = {name: value for name, value in extras.items() if name not in self._refused}
            if "tools" in extras and not wanted:
                return ChatAnswer("")
            try:
                return self._send({**body, **wanted})
            except openai.APIStatusError as error:
                if not self._does_without(error, wanted):
                    raise

    def _does_without(self, error: openai.APIStatusError, wanted: Mapping[str, Any]) -> bool:
        """Whether an error status says that the server lacks a feature, which is then left out for good."""
        words = error.message.lower()
        if says_too_long(words):
            return False
        for parameter, sign in (("max_tokens", "max_completion_tokens"), ("seed", "seed")):
            if error.status_code in (400, 422) and sign in words and parameter not in self._refused:
                self._refused.add(parameter)
                return True
        for feature, signs in FEATURE_SIGNS.items():
            # Some servers answer 500 where they mean that they cannot.
            if feature in wanted and error.status_code in (400, 422, 500, 501) and any(s in words for s in signs):
                self._refused.add(feature)
                LOG.warning("%s takes no %s; asking without", self.name, feature)
                return True
        return False

    def _send(self, body: dict[str, Any]) -> ChatAnswer:
        settings = self._settings
        if "max_tokens" in self._refused:
            body["max_completion_tokens"] = body.pop("max_tokens")
        optional = {"temperature": settings.temperature, "reasoning_effort": settings.reasoning_effort}
        body |= {name: value for name, value in optional.items() if value is not None}
        body |= {} if "seed" in self._refused else {"seed": self._seed}
        started = time.perf_counter()
        with (
            self.meter.call(self._amount(*self._most(body))) as bill,
            chat_span(self._endpoint, body) as asked,
            client(self._endpoint, settings.timeout) as connected,
        ):
            try:
                response = connected.post("/chat/completions", cast_to=httpx2.Response, body=body)
            except openai.APIStatusError:
                bill.spent = Spent()  # refused; what broke off or timed out may be billed
                raise
            reply = _read(response.content)
            prompt_tokens, generation_tokens = 0, 0
            if reply.usage is not None:
                prompt_tokens, generation_tokens = reply.usage.prompt_tokens, reply.usage.completion_tokens or 0
            if prompt_tokens and generation_tokens:  # otherwise the most that it can be is on the bill
                bill.spent = self._amount(prompt_tokens, generation_tokens)
            asked.answered(
                [choice.message.content for choice in reply.choices],
                [choice.finish_reason for choice in reply.choices],
                prompt_tokens or None,
                generation_tokens or None,
            )
        latency = time.perf_counter() - started
        message = reply.choices[0].message
        calls = tuple(
            ToolCall(_kept(call.id), _kept(call.function.name), _kept(call.function.arguments))
            for call in message.tool_calls
        )
        return ChatAnswer(_kept(message.content), calls, prompt_tokens, generation_tokens, latency)

    def _amount(self, prompt_tokens: int, generation_tokens: int) -> Spent:
        return Spent.of(self._settings.priced, 0, prompt_tokens, generation_tokens)

    @staticmethod
    def _most(body: Mapping[str, Any]) -> tuple[int, int]:
        """The most tokens, of the question and of the answer, that a body may come to."""
        texts = [json.dumps(part) for part in (*body["messages"], *body.get("tools", ()))]
        return estimated_text_tokens(texts), int(body.get("max_completion_tokens") or body["max_tokens"])

    def _failed(self, problem: str) -> EndpointError:
        shown = readable(problem, self._endpoint.secret)
        return EndpointError(f"{self._endpoint.address}, search agent {self.name!r}: {shown}")


@dataclass
class ReplayChat:
    """Answers from stored transcripts in their order, then from a live model.

    Raises Diverged when a question differs from the stored one: the session would no longer
    be the one that was recorded.
    """

    transcripts: Sequence[Transcript]
    then: ChatModel
    _next: int = 0

    @property
    def name(self) -> str:
        """The live model's name."""
        return self.then.name

    def complete(
        self,
        messages: Messages,
        *,
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> ChatAnswer:
        """The stored answer to the same question, or a new one when all are used."""
        if self._next == len(self.transcripts):
            return self.then.complete(messages, max_tokens=max_tokens, schema=schema, tools=tools)
        stored = self.transcripts[self._next]
        asked, recorded = json.dumps(list(messages), sort_keys=True), json.dumps(list(stored.messages), sort_keys=True)
        if asked != recorded:
            place = next((i for i, (a, b) in enumerate(zip(asked, recorded, strict=False)) if a != b), 0)
            raise Diverged(
                f"transcript {self._next} ({stored.purpose}, batch {stored.batch}) differs at character {place}: "
                f"now {asked[place : place + 60]!r}, stored {recorded[place : place + 60]!r}",
                self._next,
                "messages",
                list(stored.messages),
                list(messages),
            )
        self._next += 1
        if stored.context is not None:
            raise ContextExceeded(stored.problem, stored.context)
        return answer_of(stored)


@dataclass(frozen=True, slots=True)
class Silent:
    """In place of a live model where a log is replayed: raises Diverged when asked after all `calls` of the log."""

    name: str
    calls: int

    def complete(
        self,
        messages: Messages,
        *,
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> ChatAnswer:
        raise Diverged(
            f"more is asked than the {self.calls} logged calls", self.calls, "messages", None, list(messages)
        )


def answer_of(transcript: Transcript) -> ChatAnswer:
    """The answer that a transcript holds."""
    calls = tuple(ToolCall(**call) for call in transcript.tool_calls)
    counts = (transcript.prompt_tokens, transcript.generation_tokens, transcript.latency)
    return ChatAnswer(transcript.answer, calls, *counts)


def _kept(text: str | None) -> str:
    """What is read of a server's text, such as every database takes it."""
    return storable((text or "")[:ANSWER_LIMIT])


def _read(content: bytes) -> Reply:
    """Raises Unreadable."""
    try:
        return Reply.model_validate_json(content)
    except ValidationError as error:
        shown = content[:SHOWN].decode(errors="replace")
        raise Unreadable(f"an answer that is no chat completion ({error.errors()[0]['msg']}): {shown}") from None


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, Unreadable):
        return True
    if isinstance(error, openai.APIStatusError):
        return is_passing(error) and not says_too_long(error.message)
    return isinstance(error, openai.APIConnectionError)
