"""The llm-zs baseline: a language model that never sees a score."""

from __future__ import annotations

from typing import ClassVar

from agent.llm.agent_searcher import AgentSearcher
from tools.trial import Guideline


class LlmZeroShotSearcher(AgentSearcher):
    """LLM_ZS of the AgentTTS paper: proposals from task description, models and budget alone.

    No initial trials, no history, no guidelines. It is told which allocations it already proposed,
    without their scores, and calls no function, since these would tell it scores.
    """

    name = "llm-zs"
    proposing = "zero_shot"
    functions: ClassVar[tuple[str, ...]] = ()

    def conclude(self) -> Guideline | None:
        return None
