"""Latency cost: measured seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.measured_cost import MeasuredCost

if TYPE_CHECKING:
    from tools.space import Model, Subtask
    from tools.token_use import Call


@dataclass(frozen=True)
class LatencyCost(MeasuredCost):
    """Seconds until an example's answer is there, by the requests that were measured (tools.measured).

    The samples of a choice are taken to come in one request; the calls of a strategy follow one
    another, and so do the subtasks. Waiting in a server's queue is part of what was measured.
    """

    name = "latency"
    unit = "seconds"

    @property
    def formula(self) -> str:
        return (
            "A subtask takes the seconds that its model's requests were measured to take: a part for each request, for "
            "each prompt token, for each generated token and for each step of decoding the samples side by side."
        )

    def call(self, subtask: Subtask, model: Model, call: Call) -> float:
        return self.measurements.of(subtask.name, model.name).seconds(call)
