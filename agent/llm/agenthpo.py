"""The agenthpo baseline: a creator's guidelines, then feedback."""

from __future__ import annotations

from agent.llm.agent_searcher import AgentSearcher
from agent.llm.briefing import BEFORE_ALL
from agent.searcher import Proposal


class AgentHpoSearcher(AgentSearcher):
    """AgentHPO as the AgentTTS paper compares it: the same two-phase loop without the insights.

    A creator writes the first guideline from what the task and the models are; there are no
    initial trials.
    """

    name = "agenthpo"

    def begin(self, n: int) -> list[Proposal]:
        self.write_guideline("creator", BEFORE_ALL)
        return self.propose(n)
