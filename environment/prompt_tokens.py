"""How many tokens a prompt may have, before any tokenizer has seen it, and what its samples may come to."""

from __future__ import annotations

from collections.abc import Sequence

from storage.sample import GenerationRequest

BYTES_PER_TOKEN = 2.0
"""Of UTF-8: English has about four, other scripts and code fewer; on the safe side for reservations."""
TOKENS_PER_MESSAGE = 8
"""What a chat template adds around each message."""


def estimated_tokens(request: GenerationRequest) -> int:
    """A generous estimate of a prompt's tokens."""
    return estimated_text_tokens([message.content for message in request.messages])


def estimated_text_tokens(texts: Sequence[str]) -> int:
    """A generous estimate of the tokens of messages with these texts."""
    return round(sum(len(text.encode()) / BYTES_PER_TOKEN + TOKENS_PER_MESSAGE for text in texts))


def most_tokens(request: GenerationRequest, count: int) -> tuple[int, int]:
    """The most tokens, of prompts and of texts, that `count` samples of a request may come to."""
    # The starters of a race are requests of their own.
    prompts = count if request.race is not None else 1
    return prompts * estimated_tokens(request), count * request.sampling.max_tokens
