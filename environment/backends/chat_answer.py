"""A chat completion as servers send it, checked where it comes in, and the tokens it cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, field_validator

from tools.space import MOST_TOKENS
from tools.text import storable
from tools.validation import is_finite

DEFAULT_CHARACTERS_PER_TOKEN = 4.0
# So many characters weigh as much as the default before measured text outvotes it.
DEFAULT_WEIGHT = 200.0


LONGEST_TOKEN = 256
"""Characters. No vocabulary that is known has a longer one, so that no honest text has more for each of its tokens."""
LONGEST_REASON = 60
"""Characters of a finish reason."""


class AnswerMessage(BaseModel):
    content: str | None = None


class TokenLogprobs(BaseModel):
    content: list[Any] | None = None


class Choice(BaseModel):
    """One generated text; `index` is its place among the choices that were asked for."""

    index: int | None = None
    finish_reason: str | None = None
    message: AnswerMessage
    logprobs: TokenLogprobs | None = None

    @property
    def refusal(self) -> str | None:
        """Why this choice is no sample; None when it is one (an empty text is)."""
        if self.finish_reason == "content_filter":
            return "the content filter removed the text"
        if self.message.content is None:
            return f"a choice without text (finish_reason {self.finish_reason!r})"
        return None

    @property
    def text(self) -> str:
        return self.message.content or ""

    def bounded(self, most: int) -> Choice:
        """The choice with so many characters at most, such as every database takes."""
        content, reason = self.message.content, self.finish_reason
        text = content and storable(content[:most])
        told = "length" if content and len(content) > most else reason and storable(reason[:LONGEST_REASON])
        if (text, told) == (content, reason):
            return self
        message = self.message.model_copy(update={"content": text})
        return self.model_copy(update={"message": message, "finish_reason": told})

    @property
    def mean_logprob(self) -> float | None:
        """The mean of the tokens' log-probabilities; None unless the server listed a number for each."""
        listed = (self.logprobs and self.logprobs.content) or []
        numbers = [token.get("logprob") if isinstance(token, dict) else None for token in listed]
        known = [float(n) for n in numbers if isinstance(n, int | float) and is_finite(n)]
        return fmean(known) if known and len(known) == len(listed) else None

    def counted_tokens(self, max_tokens: int) -> int | None:
        """Tokens by the server's own list of them, None where it sent no list."""
        content = self.logprobs.content if self.logprobs else None
        if content is None or (self.text and not content):
            return None
        if self.finish_reason == "length" and not self.text.isascii():
            return max(len(content), max_tokens)
        return len(content)


class AnswerUsage(BaseModel):
    prompt_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS)
    completion_tokens: int | None = Field(default=None, ge=0, le=MOST_TOKENS)


class ChatAnswer(BaseModel):
    """The parts of a response that become samples; everything else is ignored."""

    choices: list[Choice]
    usage: AnswerUsage | None = None

    @field_validator("usage", mode="wrap")
    @classmethod
    def _nonsense_is_no_usage(cls, value: Any, check: ValidatorFunctionWrapHandler) -> AnswerUsage | None:
        # Texts are worth keeping even where the accounting beside them is not.
        try:
            usage: AnswerUsage | None = check(value)
        except ValidationError:
            return None
        return usage

    def bounded(self, max_tokens: int) -> ChatAnswer:
        """The answer as it is kept: no text is longer than so many tokens can be.

        What is beyond was not asked for, and would be paid for in every prompt that holds the text.
        """
        most = max_tokens * LONGEST_TOKEN
        return self.model_copy(update={"choices": [choice.bounded(most) for choice in self.choices]})

    def by_place(self, asked: int) -> dict[int, Choice]:
        """The choices by their place among those asked for, from 0; places beyond are surplus.

        As the server numbers them, or as they stand where its numbers make no sense: taken at its
        word, a server that counts from 1 would never answer place 0.
        """
        numbered = {c.index: c for c in self.choices if c.index is not None and 0 <= c.index < asked}
        return numbered if len(numbered) == len(self.choices) else dict(enumerate(self.choices))


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Generation tokens of one choice; `estimated` where no server figure decides them."""

    tokens: int
    estimated: bool = False


class TokenMeter:
    """Splits an answer's usage over its choices; one meter for each model of an endpoint.

    Some servers (OpenAI, vLLM) report the sum over all choices, llama.cpp the first choice alone.
    The rule, from certain to estimated:

    1. One choice: `completion_tokens` is its count.
    2. The server listed each choice's tokens (logprobs): the length of the list is its count, or
       `max_tokens` where a text beyond ASCII ended by "length", because llama.cpp lists the tokens
       that make up one character as one. A usage of at least the sum is the bill: what it holds
       beyond (end-of-text or hidden tokens) is shared out. A smaller one cannot be the sum.
    3. A choice that ended by "length" has `max_tokens`.
    4. Otherwise lengths are estimated from characters per token, which answers of rule 1 and 2
       calibrate. A usage above `max_tokens` is a sum, one below the certain part of the sum is
       not; between them it is taken for whichever estimate is nearer by ratio. A sum is split in
       proportion to the estimates and stays exact in total.
    """

    def __init__(self) -> None:
        self._characters = DEFAULT_CHARACTERS_PER_TOKEN * DEFAULT_WEIGHT
        self._tokens = DEFAULT_WEIGHT
        self._reports_sum: bool | None = None

    def count(self, choices: Sequence[Choice], usage: AnswerUsage | None, max_tokens: int) -> list[TokenCount]:
        """The count of every choice, in the given order. `choices` are all that the answer held."""
        if not choices:
            return []
        # Servers that do not count report 0.
        reported = (usage.completion_tokens or None) if usage else None
        if len(choices) == 1 and reported is not None:
            self._calibrate(choices[0].text, reported)
            return [TokenCount(reported)]
        listed = [choice.counted_tokens(max_tokens) for choice in choices]
        exact = [tokens for tokens in listed if tokens is not None]
        if len(exact) == len(choices):
            for choice, tokens in zip(choices, exact, strict=True):
                self._calibrate(choice.text, tokens)
            beyond = max(0, (reported or 0) - sum(exact))
            return [TokenCount(t + e) for t, e in zip(exact, _split(beyond, [1.0] * len(exact)), strict=True)]
        return self._estimate(choices, reported, max_tokens)

    def _estimate(self, choices: Sequence[Choice], reported: int | None, max_tokens: int) -> list[TokenCount]:
        full = [choice.finish_reason == "length" for choice in choices]
        sizes = [
            float(max_tokens) if is_full else self._size(choice.text, max_tokens)
            for choice, is_full in zip(choices, full, strict=True)
        ]
        if reported is not None and self._is_sum(reported, sizes, max_tokens * sum(full), max_tokens):
            parts = _split(reported, sizes)
            return [TokenCount(tokens, estimated=not all(full)) for tokens in parts]
        return [TokenCount(round(size), not is_full) for size, is_full in zip(sizes, full, strict=True)]

    def _is_sum(self, reported: int, sizes: Sequence[float], certain: int, max_tokens: int) -> bool:
        if reported > max_tokens:
            self._reports_sum = True
        elif reported < certain:
            self._reports_sum = False
        if self._reports_sum is not None:
            return self._reports_sum
        distance = [abs(math.log((reported + 1) / (size + 1))) for size in (sum(sizes), *sizes)]
        return distance[0] <= min(distance[1:])

    def _size(self, text: str, max_tokens: int) -> float:
        return min(float(max_tokens), len(text) * self._tokens / self._characters + 1)

    def _calibrate(self, text: str, tokens: int) -> None:
        self._characters += len(text)
        self._tokens += max(0, tokens - 1)  # the last one is the end of text, which has no characters


def _split(total: int, weights: Sequence[float]) -> list[int]:
    """Whole parts in proportion to the weights that add up to the total."""
    whole = sum(weights) or 1.0
    ends = [round(total * sum(weights[: i + 1]) / whole) for i in range(len(weights))]
    ends[-1] = total
    return [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]
