"""The context of the agent's model: what fits it, and what a server says when something does not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tools.errors import EndpointError

TOKENS_A_CHARACTER = 0.45
"""Until the endpoint has counted more. Qwen2.5 needs 0.30 to 0.44 for our prompts: it cuts numbers into digits."""
MESSAGE_TOKENS = 8
"""What a chat template adds to a message."""
ANSWER_SHARE = 4
"""A quarter of the context is kept for the answer, which needs some tokens for each allocation."""
SHRINK = 0.8
TOO_LONG = re.compile(
    r"context[ _](length|size|window)|maximum context|exceed_context|prompt is too long", re.IGNORECASE
)
STATED = re.compile(r"context[ _](?:length|size|window)\D{0,30}?(\d{3,9})", re.IGNORECASE)


class ContextExceeded(EndpointError):
    """The endpoint refused a question as too long. `tokens` is the context it says it holds, 0 where it does not."""

    def __init__(self, problem: str, tokens: int) -> None:
        super().__init__(problem)
        self.tokens = tokens


def says_too_long(words: str) -> bool:
    """Whether a server's error is about the context."""
    return TOO_LONG.search(words) is not None


def stated_context(words: str) -> int:
    """The context that a server's error names, in tokens; 0 where it names none."""
    found = STATED.search(words)
    return int(found.group(1)) if found else 0


class Context:
    """How long a question may be. Without a known size (None) every question fits.

    Sizes are estimated from characters, by the most tokens a character took so far.
    """

    def __init__(self, tokens: int | None, max_tokens: int) -> None:
        """`tokens` is the context's size, None where unknown; `max_tokens` bounds an answer."""
        self.tokens = tokens
        self._max_tokens = max_tokens
        self._rate = TOKENS_A_CHARACTER

    @property
    def answer(self) -> int:
        """The tokens that an answer may have."""
        return self._max_tokens if self.tokens is None else min(self._max_tokens, self.tokens // ANSWER_SHARE)

    def estimate(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> int:
        """The tokens of a question, rather too many than too few."""
        return round(self._rate * _characters(messages, tools)) + MESSAGE_TOKENS * len(messages)

    def counted(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], prompt_tokens: int
    ) -> None:
        """Learns from what the endpoint counted."""
        self._rate = min(1.0, max(self._rate, prompt_tokens / max(1, _characters(messages, tools))))

    def refused(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], stated: int) -> None:
        """Learns from a question that was too long: the context is what was `stated` (0: nothing), or smaller."""
        known = stated or self.estimate(messages, tools)
        if stated and (self.tokens is None or stated < self.tokens):
            self.tokens = stated
        else:
            self.tokens = int(SHRINK * min(known, self.tokens or known))


def _characters(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> int:
    declared = len(json.dumps(list(tools))) if tools else 0
    return declared + sum(len(message["content"]) for message in messages)
