"""The llm searcher: the agent of AgentTTS on any OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.initial_trials import initial_trials
from agent.llm.answers import proposal_form, proposal_schema, read_proposals
from agent.llm.briefing import first_and_last, flat_spread, history_values, problem_values, trial_line
from agent.llm.chat import ChatModel, OpenAIChat, ReplayChat
from agent.llm.conversation import Conversation, extended
from agent.llm.settings import AgentSettings
from agent.planner import PlannerSearcher
from agent.searcher import Problem, Proposal, Searcher
from environment.prompt_template import PromptTemplate
from storage.sample import Message
from storage.transcript import Transcript
from tools.space import Allocation
from tools.trial import Guideline, Trial

PROMPTS = Path(__file__).parent / "prompts"
REPAIRS = 2
"""How often refused proposals are sent back before the planner takes over."""
REPLACED = "planner (replacement)"


class LlmSearcher(Searcher):
    """Algorithm 1 of AgentTTS with a language model as the agent.

    It starts with the algorithm's initial trials. After every batch the model writes a guideline;
    for every next batch it may call the functions of AgentFunctions and then proposes allocations
    as JSON. Unusable ones are sent back with the reason, at most twice; what is then missing comes
    from the planner and says so in its origin. Told the same transcripts, it decides the same.
    """

    name = "llm"

    def __init__(self, problem: Problem, seed: int, **options: Any) -> None:
        """`options` are those of AgentSettings. Raises InvalidInput."""
        super().__init__(problem, seed)
        self.settings = AgentSettings.of(options)
        self._chat = self.connect()
        self._conversation = Conversation(self._chat, problem, self.settings.functions)
        self._planner = PlannerSearcher(problem, seed)
        self._prompts = {path.stem: PromptTemplate(path) for path in PROMPTS.glob("*.j2") if _is_prompt(path)}
        self._trials: list[Trial] = []
        self._guidelines: list[Guideline] = []
        self._batch: list[Trial] = []
        self._started = False

    def connect(self) -> ChatModel:
        """The model to converse with. Raises InvalidInput where the settings name none."""
        return OpenAIChat(self.settings, self.seed)

    def replay(self, transcripts: Sequence[Transcript]) -> None:
        self._conversation = Conversation(ReplayChat(transcripts, self._chat), self.problem, self.settings.functions)

    def ask(self, n: int) -> list[Proposal]:
        if not self._started:
            self._started = True
            return initial_trials(self.problem, self.name)
        space = self.problem.space
        wanted = min(n, space.count(self.problem.budget, self.problem.cost) - len(self._trials))
        return self._propose(wanted) if wanted > 0 else []

    def tell(self, trials: Sequence[Trial]) -> None:
        self._batch = list(trials)
        self._trials.extend(trials)
        self._planner.tell(trials)

    def conclude(self) -> Guideline | None:
        prompt = self._prompts["guidelines"]
        messages = prompt.render(
            **problem_values(self.problem),
            **history_values(self._trials, self.settings.history),
            batch=[trial_line(trial) for trial in self._batch],
            guidelines=first_and_last(self._guidelines),
            flat=flat_spread(self._batch),
        )
        batch = self._batch[-1].batch
        text = self._conversation.ask(messages, prompt, "guidelines", batch).text.strip()
        guideline = Guideline(batch, text, self.name) if text else self._planner_guideline()
        if guideline is not None:
            self._guidelines.append(guideline)
        return guideline

    def drain_transcripts(self) -> list[Transcript]:
        return self._conversation.drain()

    def _propose(self, count: int) -> list[Proposal]:
        prompt, purpose = self._prompts["propose"], "propose"
        batch = self._batch[-1].batch + 1
        asked = prompt.render(
            **problem_values(self.problem),
            **history_values(self._trials, self.settings.history),
            guidelines=first_and_last(self._guidelines),
            count=count,
            form=proposal_form(self.problem.space),
        )
        messages = self._conversation.consult(asked, self._prompts["consult"], batch, self._trials)
        accepted: list[Allocation] = []
        for attempt in range(1 + REPAIRS):
            missing = count - len(accepted)
            answer = self._conversation.ask(
                messages, prompt, purpose, batch, attempt=attempt, schema=proposal_schema(self.problem.space, missing)
            )
            reading = read_proposals(answer.text, self.problem, missing, self._known(accepted))
            accepted += reading.accepted
            if len(accepted) == count:
                break
            self._conversation.refuse(reading.problems)
            prompt, purpose = self._prompts["repair"], "repair"
            again = prompt.render(
                **problem_values(self.problem), problems=reading.problems, count=count - len(accepted)
            )
            messages = extended(messages, [Message("assistant", answer.text), *again])
        reason = self._guidelines[-1].text.split("\n")[0] if self._guidelines else "the agent's choice"
        proposals = [Proposal(allocation, self.name, reason) for allocation in accepted]
        return proposals + self._replacements(count - len(accepted), accepted)

    def _known(self, accepted: Sequence[Allocation]) -> dict[Allocation, str]:
        """The allocations that are not wanted any more, and why."""
        known = {trial.allocation: f"was tried in trial {trial.number}" for trial in self._trials}
        return known | dict.fromkeys(accepted, "was proposed already")

    def _replacements(self, count: int, accepted: Sequence[Allocation]) -> list[Proposal]:
        if not count:
            return []
        spare = [p for p in self._planner.ask(count + len(accepted)) if p.allocation not in accepted]
        why = f"the agent gave no usable proposal in {1 + REPAIRS} answers"
        return [Proposal(p.allocation, REPLACED, f"{p.reason} ({why})") for p in spare[:count]]

    def _planner_guideline(self) -> Guideline | None:
        self._conversation.refuse(["an empty guideline"])
        guideline = self._planner.conclude()
        return guideline and Guideline(guideline.batch, guideline.text, REPLACED)


def _is_prompt(path: Path) -> bool:
    """Whether a template is a prompt of its own and not a part that others include."""
    return path.read_text(encoding="utf-8").startswith("--- ")
