"""Chat requests and answers in OpenAI's form, as the pipeline's question and answer."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from environment.allocated import Answer, question_fields
from environment.task import Task
from tools.errors import InvalidInput

PIECE = 24
"""Characters of one streamed piece."""

Head = dict[str, Any]


class ChatMessage(BaseModel):
    """One message of a request; only texts are read."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """The content's texts. Raises InvalidInput for other content."""
        if isinstance(self.content, list):
            if any(part.get("type") != "text" or not isinstance(part.get("text"), str) for part in self.content):
                raise InvalidInput("messages", "may hold text alone")
            return "".join(part["text"] for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """How an answer is streamed."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """A request. The allocation decides how models draw, so sampling parameters are not looked at."""

    model_config = ConfigDict(extra="ignore")

    messages: list[ChatMessage] = Field(min_length=1)
    model: str = ""
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: Literal[1] | None = None
    tools: list[Any] = Field(default=[], max_length=0)

    @classmethod
    def read(cls, body: bytes) -> ChatRequest:
        """Raises InvalidInput naming the first wrong field."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "body"
            raise InvalidInput(field, first["msg"]) from None

    def question(self, field: str) -> dict[str, Any]:
        """The last user message as the fields of an example: a JSON object, or a text for `field`."""
        said = [message.text for message in self.messages if message.role == "user"]
        if not said or not said[-1].strip():
            raise InvalidInput("messages", "hold no text of a user")
        text = said[-1]
        if text.lstrip().startswith("{"):
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict):
                return found
        if not field:
            raise InvalidInput("messages", 'the last one must be a JSON object of fields, such as {"question": "..."}')
        return {field: text}


def text_field(task: Task, given: str | None) -> str:
    """The field that a question in plain text fills; "" where questions must name their fields.

    By default `question` where the examples have it, else their only field. Raises InvalidInput for
    a given one that they do not have.
    """
    known = question_fields(task)
    if given is not None:
        if given not in known:
            raise InvalidInput("--input", f"the examples have no field {given!r}; they have: {', '.join(known)}")
        return given
    if "question" in known:
        return "question"
    return known[0] if len(known) == 1 else ""


def completion(answer: Answer, model: str) -> dict[str, Any]:
    """The whole answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": answer.text}, "finish_reason": "stop"}
    head = head_of("chat.completion", model)
    return {**head, "choices": [choice], "usage": usage(answer), "agenttts": trace(answer)}


def opening(head: Head) -> dict[str, Any]:
    """The first chunk of a stream, sent before the answer is known."""
    return _chunk(head, {"role": "assistant", "content": ""})


def chunks(answer: Answer, head: Head, *, include_usage: bool) -> Iterator[dict[str, Any]]:
    """The other chunks: the answer in pieces, its trace, and its usage where it is wanted."""
    text = answer.text
    for start in range(0, len(text), PIECE):
        yield _chunk(head, {"content": text[start : start + PIECE]})
    yield _chunk(head, {}, finish_reason="stop") | {"agenttts": trace(answer)}
    if include_usage:
        yield {**head, "choices": [], "usage": usage(answer)}


def head_of(kind: str, model: str) -> Head:
    """What every chunk of one answer begins with."""
    return {"id": f"chatcmpl-{uuid.uuid4().hex[:24]}", "object": kind, "created": int(time.time()), "model": model}


def usage(answer: Answer) -> dict[str, int]:
    """Tokens summed over all stages and samples."""
    total = answer.usage
    return {
        "prompt_tokens": total.prompt_tokens,
        "completion_tokens": total.generation_tokens,
        "total_tokens": total.prompt_tokens + total.generation_tokens,
    }


def trace(answer: Answer) -> dict[str, Any]:
    """What each stage did."""
    return {
        "stages": [
            {
                "subtask": stage.subtask,
                "model": stage.model,
                "samples": stage.samples,
                "strategy": stage.strategy,
                "output": stage.output,
                "generations": stage.usage.requested,
                "prompt_tokens": stage.usage.prompt_tokens,
                "generation_tokens": stage.usage.generation_tokens,
                "seconds": round(stage.seconds, 3),
            }
            for stage in answer.trace
        ]
    }


def _chunk(head: Head, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
