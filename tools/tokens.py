"""Tokens cost: measured tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.measured_cost import MeasuredCost

if TYPE_CHECKING:
    from tools.space import Model, Subtask
    from tools.token_use import Call


@dataclass(frozen=True)
class TokensCost(MeasuredCost):
    """Tokens sent and generated for one example, at the lengths that were measured.

    A prompt counts once for each request that it is sent in, whether the server had it cached or not.
    """

    name = "tokens"
    unit = "tokens"

    @property
    def formula(self) -> str:
        return "A subtask uses its measured prompt tokens once and its measured generated tokens for every sample" + (
            ", and those of the further calls that its strategy makes." if self.every_call else "."
        )

    def call(self, subtask: Subtask, model: Model, call: Call) -> float:
        return call.requests * (call.prompt_tokens + call.generations * call.generation_tokens)
