"""Price cost: dollars from per-token prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.call_cost import CallCost
from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import is_count

if TYPE_CHECKING:
    from tools.space import Model, Subtask
    from tools.token_use import Call

TOKENS_PER_PRICE = 1e6


@dataclass(frozen=True)
class PriceCost(CallCost):
    """Dollars for one example: a prompt is paid once per request, generated tokens per sample.

    Prompt tokens that an earlier call of the stage had encoded are paid at the model's cached
    price. `shared_prompt` says that the samples come in one request, as servers that take `n` give
    them; without it every sample is a request and all but the first pay the cached price for the
    prompt. `examples` scales the price to a set of examples.
    """

    examples: int = 1
    shared_prompt: bool = True

    name = "price"
    unit = "dollars"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_count(self.examples):
            raise InvalidInput(
                "PriceCost.examples", f"must be a whole number of 1 or more, got {shortened(self.examples)}"
            )
        if not isinstance(self.shared_prompt, bool):
            raise InvalidInput("PriceCost.shared_prompt", f"must be true or false, got {shortened(self.shared_prompt)}")

    @property
    def formula(self) -> str:
        prompt = (
            "A subtask pays its prompt tokens once and its generated tokens for every sample"
            if self.shared_prompt
            else "A subtask pays prompt and generated tokens for every sample, the prompt as cached after the first"
        )
        return prompt + (", and so do further calls that its strategy makes." if self.every_call else ".")

    def call(self, subtask: Subtask, model: Model, call: Call) -> float:
        if model.prompt_price is None or model.generation_price is None:
            raise InvalidInput(
                f"model {model.name!r} prices",
                "unknown; give prompt_price and generation_price in dollars per 1M tokens",
            )
        cached_price = model.prompt_price if model.cached_prompt_price is None else model.cached_prompt_price
        again = 0.0 if self.shared_prompt else max(0.0, call.generations - 1) * call.prompt_tokens
        prompt = (call.prompt_tokens - call.cached_prompt_tokens) * model.prompt_price
        cached = (call.cached_prompt_tokens + again) * cached_price
        generated = call.generations * call.generation_tokens * model.generation_price
        return self.examples * call.requests * (prompt + cached + generated) / TOKENS_PER_PRICE
