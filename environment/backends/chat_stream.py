"""A streamed chat completion of one choice, put together again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel, Field

from environment.backends.chat_answer import AnswerMessage, ChatAnswer, TokenLogprobs


class ChunkChoice(BaseModel):
    """What one chunk adds to the choice."""

    delta: AnswerMessage = Field(default_factory=AnswerMessage)
    finish_reason: str | None = None
    logprobs: TokenLogprobs | None = None


class AnswerChunk(BaseModel):
    """The parts of a chunk that become a sample; the usage comes in a chunk without choices, and is checked later."""

    choices: list[ChunkChoice] = Field(default_factory=list)
    usage: Any = None


def whole_answer(chunks: Iterable[Any]) -> ChatAnswer:
    """The answer that the client's chunks make up.

    Raises ValidationError where a chunk is none, ValueError where they end before the answer does.
    """
    read = [AnswerChunk.model_validate(_plain(chunk)) for chunk in chunks]
    parts = [chunk.choices[0] for chunk in read if chunk.choices]
    finish_reason = next((part.finish_reason for part in reversed(parts) if part.finish_reason), None)
    if finish_reason is None:
        raise ValueError("the stream ended before its answer did")
    texts = [part.delta.content for part in parts if part.delta.content is not None]
    # An answer that ends at once has no text to send; any other end without a text is a refusal.
    text = "".join(texts) if texts or finish_reason in ("stop", "length") else None
    tokens = [token for part in parts if part.logprobs for token in part.logprobs.content or []]
    choice = {"message": {"content": text}, "finish_reason": finish_reason, "logprobs": {"content": tokens or None}}
    usage = next((chunk.usage for chunk in reversed(read) if chunk.usage), None)
    return ChatAnswer.model_validate({"choices": [choice], "usage": usage})


def _plain(chunk: Any) -> Any:
    """A chunk as plain values; the client hands on what is no object as it is."""
    return chunk.to_dict(warnings=False) if isinstance(chunk, ChatCompletionChunk) else chunk
