"""Compute cost in the unit of AgentTTS: Theorem 1, or with attention and every call counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.call_cost import CallCost
from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import require_positive

if TYPE_CHECKING:
    from tools.space import Choice, Model, Subtask
    from tools.token_use import Call


@dataclass(frozen=True)
class FlopsCost(CallCost):
    """FLOPs of a choice in units of a base pass (AgentTTS, Theorem 1).

    A prompt is encoded once and shared by the samples; each sample is decoded on its own. With
    alpha = M / M0, beta1 = Np / Nd, beta2 = Np / Np0 and beta3 = Np0 / Nd0 the theorem gives
    beta3 * (alpha * beta2 / beta1 * (beta1 + S) - 1): FLOPs divided by those of decoding the base
    pass (model M0, prompt Np0, generation Nd0), less the base prompt. The paper's base is a 3B
    model with a 128-token prompt and 64 generated tokens. Choose a base near the smallest model
    where models are smaller, since the unit is meaningful only above the base pass.

    The theorem leaves out two things that can be counted in the same unit. `attention` adds what it
    simplifies away: a token after t others takes 2M + 4 * layers * hidden_size * t FLOPs (AgentTTS,
    proof of Theorem 1). `every_call` adds the calls a strategy makes beside its samples.
    """

    base_parameters: float = 3e9
    base_prompt_tokens: int = 128
    base_generation_tokens: int = 64
    attention: bool = False
    every_call: bool = field(default=False, kw_only=True)

    name = "flops"
    unit = "base passes"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("base_parameters", "base_prompt_tokens", "base_generation_tokens"):
            require_positive(f"FlopsCost.{name}", getattr(self, name))
        if not isinstance(self.attention, bool):
            raise InvalidInput("FlopsCost.attention", f"must be true or false, got {shortened(self.attention)}")

    @property
    def formula(self) -> str:
        theorem = (
            "A subtask costs b3 * (M/M0 * P/P0 * (1 + S*G/P) - 1) for a model of M parameters, P prompt tokens, "
            "G generated tokens and S samples; M0, P0, G0 are those of the base pass and b3 = P0/G0."
        )
        attention = " Attention comes on top: 4 * layers * hidden size FLOPs for each earlier token that a token reads."
        calls = " Every further call that the strategy makes after the samples is added in the same way."
        return theorem + attention * self.attention + calls * self.every_call

    def subtask(self, subtask: Subtask, choice: Choice) -> float:
        """Raises UnknownName for a model the subtask does not list, InvalidInput for one of unknown shape."""
        base_prompt = self.base_prompt_tokens / self.base_generation_tokens
        if self.attention or self.every_call:
            return super().subtask(subtask, choice) - base_prompt
        # The theorem as it stands, so that its figures are the paper's to the last digit.
        model = subtask.model(choice.model)
        alpha = model.parameters / self.base_parameters
        beta1 = subtask.prompt_tokens / subtask.generation_tokens
        beta2 = subtask.prompt_tokens / self.base_prompt_tokens
        return base_prompt * (alpha * beta2 / beta1 * (beta1 + choice.samples) - 1)

    def call(self, subtask: Subtask, model: Model, call: Call) -> float:
        """FLOPs of a call in decodings of the base pass."""
        base = 2 * self.base_parameters * self.base_generation_tokens
        return call_flops(model, call, attention=self.attention) / base


def call_flops(model: Model, call: Call, *, attention: bool) -> float:
    """FLOPs of a call: the prompt beyond its cached beginning is encoded once, every generation decoded.

    A token after t others takes 2M FLOPs and, with `attention`, 4 * layers * hidden_size * t more.
    Raises InvalidInput where attention counts and the model's shape is unknown.
    """
    encoded = call.prompt_tokens - call.cached_prompt_tokens
    flops = 2 * model.parameters * (encoded + call.generations * call.generation_tokens)
    if attention:
        if model.layers is None or model.hidden_size is None:
            raise InvalidInput(f"model {model.name!r} layers and hidden_size", "unknown; attention needs both")
        read = tokens_before(call.cached_prompt_tokens, call.prompt_tokens)
        read += call.generations * tokens_before(call.prompt_tokens, call.prompt_tokens + call.generation_tokens)
        flops += 4 * model.layers * model.hidden_size * read
    return call.requests * flops


def tokens_before(first: float, end: float) -> float:
    """The sum of how many tokens come before each of the tokens `first` to `end` - 1."""
    return (end * (end - 1) - first * (first - 1)) / 2
