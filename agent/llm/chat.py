"""Conversations with the search agent's language model, live or from transcripts."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import openai
import tenacity

from storage.transcript import Transcript
from tools.errors import AgentttsError, EndpointError, InvalidInput

LOG = logging.getLogger(__name__)
ANSWER_LIMIT = 20_000
"""Characters of an answer that are read; the rest is dropped."""
NO_KEY = "none"
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

    name: str

    def complete(
        self, messages: Messages, *, schema: Mapping[str, Any] | None = None, tools: Sequence[Mapping[str, Any]] = ()
    ) -> ChatAnswer:
        """The next message: JSON of the schema where one is given, or calls of the tools.

        Raises EndpointError when no answer can be had.
        """
        ...


@dataclass
class OpenAIChat:
    """A chat model behind an OpenAI-compatible endpoint.

    The key is read from the environment variable `key_env` and kept nowhere. A server that
    refuses schemas or tools is remembered, and is asked without them from then on: the prompt
    states the form of the answer as well, and every answer is checked.
    """

    name: str
    base_url: str | None = None
    key_env: str = "OPENAI_API_KEY"
    temperature: float | None = None
    max_tokens: int = 4000
    timeout: float = 600.0
    max_attempts: int = 6
    seed: int | None = None
    _refused: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidInput("model", "the llm searcher needs a model; give --agent-model NAME")
        if not self.base_url and not os.environ.get(self.key_env):
            raise InvalidInput("base_url", f"give --agent-url URL, or set {self.key_env} to use OpenAI's endpoint")

    def complete(
        self, messages: Messages, *, schema: Mapping[str, Any] | None = None, tools: Sequence[Mapping[str, Any]] = ()
    ) -> ChatAnswer:
        """Asks the endpoint, again after faults that may pass."""
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.max_attempts),
            wait=tenacity.wait_exponential_jitter(initial=0.5, max=60),
            retry=tenacity.retry_if_exception(_may_pass),
            reraise=True,
        )
        extras: dict[str, Any] = {}
        if schema is not None:
            wrapped = {"name": "answer", "strict": True, "schema": schema}
            extras["response_format"] = {"type": "json_schema", "json_schema": wrapped}
        if tools:
            extras["tools"] = list(tools)
        try:
            return retrying(self._ask_once, messages, extras)
        except openai.APIStatusError as error:
            raise self._failed(f"status {error.status_code}: {error.message[:300]}") from None
        except (openai.APIError, ValueError) as error:
            raise self._failed(str(error)[:300]) from None

    def _ask_once(self, messages: Messages, extras: dict[str, Any]) -> ChatAnswer:
        wanted = {name: value for name, value in extras.items() if name not in self._refused}
        try:
            return self._send(messages, wanted)
        except openai.BadRequestError:
            if not wanted:
                raise
            # Whichever of the extras it was: the plain request is the one that every server knows.
            self._refused.update(wanted)
            LOG.warning("%s refuses %s; asking without", self.name, " and ".join(wanted))
            return self._send(messages, {})

    def _send(self, messages: Messages, extras: Mapping[str, Any]) -> ChatAnswer:
        body: dict[str, Any] = {"model": self.name, "messages": list(messages), "max_tokens": self.max_tokens, **extras}
        body |= {} if self.temperature is None else {"temperature": self.temperature}
        body |= {} if self.seed is None else {"seed": self.seed}
        key = os.environ.get(self.key_env) or NO_KEY
        started = time.perf_counter()
        with openai.OpenAI(base_url=self.base_url, api_key=key, timeout=self.timeout, max_retries=0) as client:
            response = client.chat.completions.create(**body)
        latency = time.perf_counter() - started
        if not response.choices:
            raise ValueError("an answer without choices")
        message = response.choices[0].message
        calls = tuple(
            ToolCall(call.id, call.function.name, call.function.arguments[:ANSWER_LIMIT])
            for call in message.tool_calls or ()
            if call.type == "function"
        )
        usage = response.usage
        return ChatAnswer(
            (message.content or "")[:ANSWER_LIMIT],
            calls,
            usage.prompt_tokens if usage else 0,
            usage.completion_tokens if usage else 0,
            latency,
        )

    def _failed(self, problem: str) -> EndpointError:
        secret = os.environ.get(self.key_env)
        shown = problem.replace(secret, "[key]") if secret else problem
        return EndpointError(f"{self.base_url or 'OpenAI'}, search agent {self.name!r}: {shown}")


@dataclass
class ReplayChat:
    """Answers from stored transcripts in their order, then from a live model.

    Raises AgentttsError when a question differs from the stored one: the session would no longer
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
        self, messages: Messages, *, schema: Mapping[str, Any] | None = None, tools: Sequence[Mapping[str, Any]] = ()
    ) -> ChatAnswer:
        """The stored answer to the same question, or a new one when all are used."""
        if self._next == len(self.transcripts):
            return self.then.complete(messages, schema=schema, tools=tools)
        stored = self.transcripts[self._next]
        asked, recorded = json.dumps(list(messages), sort_keys=True), json.dumps(list(stored.messages), sort_keys=True)
        if asked != recorded:
            place = next((i for i, (a, b) in enumerate(zip(asked, recorded, strict=False)) if a != b), 0)
            raise AgentttsError(
                f"transcript {self._next} ({stored.purpose}, batch {stored.batch}) differs at character {place}: "
                f"now {asked[place : place + 60]!r}, stored {recorded[place : place + 60]!r}"
            )
        self._next += 1
        return answer_of(stored)


def answer_of(transcript: Transcript) -> ChatAnswer:
    """The answer that a transcript holds."""
    calls = tuple(ToolCall(**call) for call in transcript.tool_calls)
    counts = (transcript.prompt_tokens, transcript.generation_tokens, transcript.latency)
    return ChatAnswer(transcript.answer, calls, *counts)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)
