"""The llm searcher: the agent of AgentTTS on any OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.initial_trials import initial_trials
from agent.llm.agent_searcher import AgentSearcher
from agent.llm.extent import Extent
from agent.llm.forecast import Forecast
from agent.llm.functions import CURVES, FACTS
from agent.planner.searcher import PlannerSearcher
from agent.searcher import Problem, Proposal
from tools.errors import InvalidInput
from tools.space import Allocation
from tools.text import shortened
from tools.trial import Guideline, Trial

REPLACED = "planner (replacement)"


class LlmSearcher(AgentSearcher):
    """Algorithm 1 of AgentTTS with a language model as the agent.

    It starts with the algorithm's initial trials, its prompts hold the three insights and what the
    planner expects, and the planner replaces what the model does not give.
    """

    name = "llm"
    proposing = "propose"
    guiding = "guidelines"
    functions = (*FACTS, CURVES)

    def __init__(self, problem: Problem, seed: int, forecast: bool = True, **options: Any) -> None:
        """`forecast` tells the model what the planner expects, `options` are those of AgentSettings.

        Raises InvalidInput.
        """
        if not isinstance(forecast, bool):
            raise InvalidInput("forecast", f"must be true or false, got {shortened(forecast)}")
        self._forecast = Forecast(problem) if forecast else None
        super().__init__(problem, seed, **options)
        self._planner = PlannerSearcher(problem, seed)

    def begin(self, n: int) -> list[Proposal]:
        return initial_trials(self.problem, self.name)

    def replace(self, n: int, accepted: Sequence[Allocation]) -> list[Proposal]:
        if not n:
            return []
        spare = [p for p in self._planner.ask(n + len(accepted)) if p.allocation not in accepted]
        return [Proposal(p.allocation, REPLACED, p.reason) for p in spare]

    def values(self, extent: Extent) -> dict[str, Any]:
        told = self._forecast.told(self._trials, extent) if self._forecast else None
        return {**super().values(extent), "forecast": told}

    def stand_in(self, batch: int) -> Guideline:
        guideline = self._planner.conclude()
        return super().stand_in(batch) if guideline is None else Guideline(batch, guideline.text, REPLACED)

    def tell(self, trials: Sequence[Trial]) -> None:
        super().tell(trials)
        self._planner.tell(trials)
