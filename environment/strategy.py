"""The contract of a strategy: how k samples become one answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from environment.stage import Stage
from storage.sample import GenerationRequest, Sample, SamplingParameters
from tools.registry import Registry

Draw = Callable[[GenerationRequest, int], Awaitable[Sequence[Sample]]]
"""draw(request, k) gives the request's samples 0 to k-1, from the store where they exist."""

DrawForRun = Callable[..., Awaitable[Sequence[Sample]]]
"""draw(request, k, run=...): a sampler's, with the run that it is drawn for."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage on one example, with everything a strategy may use.

    `temperature` is the one chosen for this run; None where the stage decides.
    """

    stage: Stage
    example: Any
    upstream: Mapping[str, Any]
    model: str
    samples: int
    temperature: float | None = None

    @property
    def sampling(self) -> SamplingParameters:
        """How the stage's samples are drawn in this run."""
        sampling = self.stage.sampling
        return sampling if self.temperature is None else replace(sampling, temperature=self.temperature)


class Strategy(ABC):
    """Turns samples into one output.

    Called by the executor once per stage and example, many at a time. Every generation is drawn
    through `draw`, so that it is stored, shared and counted; a strategy has no other state.
    """

    name: str

    @abstractmethod
    async def run(self, run: StageRun, draw: Draw) -> Any:
        """The stage's output. Raises what `draw` raises."""

    def require(self, stage: Stage) -> None:
        """Raises InvalidInput where a stage lacks what the strategy needs; called when a task is built.

        By default nothing is needed beyond the contract of a stage.
        """
        return


STRATEGIES: Registry[type[Strategy]] = Registry("strategy", "agenttts.strategies")


def sample_request(run: StageRun) -> GenerationRequest:
    """The request whose samples the stage draws: its prompt at the run's sampling parameters."""
    return GenerationRequest(run.model, run.stage.messages(run.example, run.upstream), run.sampling)
