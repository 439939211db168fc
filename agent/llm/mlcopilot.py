"""The mlcopilot baseline: guidelines from a similar task's search, then feedback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.llm.agent_searcher import AgentSearcher
from agent.llm.briefing import BEFORE_ALL
from agent.llm.experience import FIELD, portable_experience, read_experience
from agent.llm.extent import Extent
from agent.searcher import Problem, Proposal, Searcher
from storage.transcript import Transcript
from tools.errors import InvalidInput


class MlCopilotSearcher(AgentSearcher):
    """MLCopilot as the AgentTTS paper compares it: the two-phase loop without the insights.

    The first guideline is written from the trials of a search on a similar task; there are no
    initial trials.
    """

    name = "mlcopilot"

    def __init__(self, problem: Problem, seed: int, similar: object = None, **options: Any) -> None:
        """`similar` is what `read_experience` takes, `options` are those of AgentSettings. Raises InvalidInput."""
        self._experience = read_experience(similar)
        super().__init__(problem, seed, **options)

    @classmethod
    def rehearsing(
        cls, problem: Problem, seed: int, transcripts: Sequence[Transcript], options: Mapping[str, Any]
    ) -> Searcher:
        if isinstance(options.get("similar"), str):
            raise InvalidInput(FIELD, "is the name of a file, not its content; the session is older than logs")
        return super().rehearsing(problem, seed, transcripts, options)

    @classmethod
    def portable(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**options, "similar": portable_experience(options["similar"])} if "similar" in options else {**options}

    def begin(self, n: int) -> list[Proposal]:
        self.write_guideline("experience", BEFORE_ALL)
        return self.propose(n)

    def values(self, extent: Extent) -> dict[str, Any]:
        similar = self._experience
        return {
            **super().values(extent),
            "similar_task": similar.task,
            "similar_trials": [str(trial) for trial in similar.trials[: extent.trials]],
            "similar_total": len(similar.trials),
        }
