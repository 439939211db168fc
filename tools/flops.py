"""Compute cost by Theorem 1 of AgentTTS."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tools.cost import CostModel
from tools.validation import require_positive

if TYPE_CHECKING:
    from tools.space import Choice, Subtask


@dataclass(frozen=True)
class FlopsCost(CostModel):
    """FLOPs of a choice in units of a base pass (AgentTTS, Theorem 1).

    A prompt is encoded once and shared by the samples; each sample is decoded on its own. With
    alpha = M / M0, beta1 = Np / Nd, beta2 = Np / Np0 and beta3 = Np0 / Nd0 the theorem gives
    beta3 * (alpha * beta2 / beta1 * (beta1 + S) - 1): FLOPs divided by those of decoding the base
    pass (model M0, prompt Np0, generation Nd0), less the base prompt. The paper's base is a 3B
    model with a 128-token prompt and 64 generated tokens. Choose a base near the smallest model
    where models are smaller, since the unit is meaningful only above the base pass.
    """

    base_parameters: float = 3e9
    base_prompt_tokens: int = 128
    base_generation_tokens: int = 64

    name = "flops"
    unit = "base passes"
    formula = (
        "A subtask costs b3 * (M/M0 * P/P0 * (1 + S*G/P) - 1) for a model of M parameters, P prompt tokens, "
        "G generated tokens and S samples; M0, P0, G0 are those of the base pass and b3 = P0/G0."
    )

    def __post_init__(self) -> None:
        for field, value in asdict(self).items():
            require_positive(f"FlopsCost.{field}", value)

    def subtask(self, subtask: Subtask, choice: Choice) -> float:
        """Theorem 1 for one subtask. Raises UnknownName for a model the subtask does not list."""
        model = subtask.model(choice.model)
        alpha = model.parameters / self.base_parameters
        beta1 = subtask.prompt_tokens / subtask.generation_tokens
        beta2 = subtask.prompt_tokens / self.base_prompt_tokens
        beta3 = self.base_prompt_tokens / self.base_generation_tokens
        return beta3 * (alpha * beta2 / beta1 * (beta1 + choice.samples) - 1)

    def settings(self) -> dict[str, Any]:
        return asdict(self)
