"""Kinetics cost: FLOPs and memory traffic in one figure (arXiv 2506.05333)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.call_cost import CallCost
from tools.errors import InvalidInput
from tools.flops import call_flops
from tools.validation import require_positive

if TYPE_CHECKING:
    from tools.space import Model, Subtask
    from tools.token_use import Call

TERA = 1e12
B200_INTENSITY = 562.5
"""FLOPs an NVIDIA B200 can do while it moves a byte, as the paper and its released code take it:
4.5e15 dense FP8 operations a second over 8e12 bytes a second."""


@dataclass(frozen=True)
class KineticsCost(CallCost):
    """Equivalent FLOPs (eFLOPs): FLOPs + I * bytes moved (Kinetics, cost model).

    FLOPs are those of the full attention-aware form. Of the bytes, the KV cache is read once for
    every generated token: the prompt's part once for all generations that share it, a generation's
    own part for itself (half its length on average). I is the hardware's `arithmetic_intensity`,
    in FLOPs per byte.

    The paper takes batches so large that reading the weights costs nothing beside the rest; with a
    `batch` every forward pass reads them once for that many sequences. The paper also leaves out the
    encoding of the prompt, which is short beside its generations; here it counts. Values of the
    weights and of the cache take `value_bytes` each (2: 16 bits).
    """

    arithmetic_intensity: float = B200_INTENSITY
    batch: int | None = None
    value_bytes: float = 2.0

    name = "kinetics"
    unit = "tera-eFLOPs"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("KineticsCost.arithmetic_intensity", self.arithmetic_intensity)
        require_positive("KineticsCost.value_bytes", self.value_bytes)
        if self.batch is not None:
            require_positive("KineticsCost.batch", self.batch)

    @property
    def formula(self) -> str:
        return (
            "A subtask costs its FLOPs plus the bytes it moves times the hardware's FLOPs per byte: every generated "
            "token reads the KV cache of all tokens before it, the samples share the reading of the prompt's."
        )

    def call(self, subtask: Subtask, model: Model, call: Call) -> float:
        if model.layers is None or model.hidden_size is None or model.kv_size is None:
            raise InvalidInput(f"model {model.name!r} layers, hidden_size and kv_size", "unknown; kinetics needs them")
        length = call.generation_tokens
        read = call.prompt_tokens * length * min(1.0, call.generations) + call.generations * length**2 / 2
        # A token's cache holds a key and a value in every layer.
        moved = read * 2 * model.layers * model.kv_size * self.value_bytes
        if self.batch is not None:
            passes = 1 + call.generations * length
            moved += passes * model.parameters * self.value_bytes / self.batch
        return (call_flops(model, call, attention=True) + self.arithmetic_intensity * call.requests * moved) / TERA
