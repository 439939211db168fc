"""Price cost: dollars from per-token prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools.cost import CostModel
from tools.errors import InvalidInput
from tools.validation import is_count

if TYPE_CHECKING:
    from tools.space import Choice, Subtask

TOKENS_PER_PRICE = 1e6


@dataclass(frozen=True)
class PriceCost(CostModel):
    """Dollars for one example: the prompt is paid once per request, generation per sample.

    `examples` scales the price to a set of examples.
    """

    examples: int = 1

    name = "price"
    unit = "dollars"
    formula = "A subtask pays its prompt tokens once and its generated tokens for every sample."

    def __post_init__(self) -> None:
        if not is_count(self.examples):
            raise InvalidInput("PriceCost.examples", f"must be a whole number of 1 or more, got {self.examples!r}")

    def subtask(self, subtask: Subtask, choice: Choice) -> float:
        """Raises InvalidInput where a price is unknown, UnknownName for a foreign model."""
        model = subtask.model(choice.model)
        if model.prompt_price is None or model.generation_price is None:
            raise InvalidInput(
                f"model {model.name!r} prices",
                "unknown; give prompt_price and generation_price in dollars per 1M tokens",
            )
        prompt = subtask.prompt_tokens * model.prompt_price
        generation = choice.samples * subtask.generation_tokens * model.generation_price
        return self.examples * (prompt + generation) / TOKENS_PER_PRICE

    def settings(self) -> dict[str, Any]:
        return {"examples": self.examples}
