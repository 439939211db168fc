"""One exchange with the search agent's language model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the agent was asked and what it answered.

    `purpose` is "consult", "propose", "repair" or "guidelines"; `attempt` counts from 0 within a
    purpose and batch. `tool_calls` are the functions it wanted called. `latency` is in seconds.
    `accepted` tells whether the whole answer was used, `problem` why not. `prompt` is the SHA-256
    of the prompt file that the last message was made from. `context` is set where the endpoint
    refused the question as too long: the tokens it says it holds, 0 where it does not say.
    """

    batch: int
    attempt: int
    purpose: str
    model: str
    messages: tuple[Mapping[str, Any], ...]
    answer: str
    prompt_tokens: int = 0
    generation_tokens: int = 0
    latency: float = 0.0
    accepted: bool = True
    problem: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    prompt: str = ""
    context: int | None = None
