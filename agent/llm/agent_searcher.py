"""The loop that the llm searcher and the baselines with a language model share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from agent.feasible import FeasibleSpace
from agent.llm.answers import proposal_form, proposal_schema, read_proposals
from agent.llm.briefing import batch_lines, flat_spread, guideline_lines, history_values, problem_values
from agent.llm.chat import ChatModel, OpenAIChat, ReplayChat, Silent
from agent.llm.context import Context
from agent.llm.conversation import Conversation, extended
from agent.llm.extent import Extent, extents
from agent.llm.functions import FACTS
from agent.llm.settings import AgentSettings
from agent.metering import Meter
from agent.searcher import Keep, Problem, Proposal, Searcher
from environment.prompt_template import PromptTemplate
from storage.sample import Message
from storage.transcript import Transcript
from tools.errors import InvalidInput
from tools.registry import built
from tools.space import Allocation, Model
from tools.spending import is_priced
from tools.trial import Guideline, Trial

PROMPTS = Path(__file__).parent / "prompts"
REPAIRS = 2
"""How often refused proposals are sent back before they are replaced."""
PROBLEMS = 12
"""How many reasons for refusing are sent back at once."""
REPAIR_ROOM = 250
"""Tokens that are kept free for sending a proposal back."""
RANDOM = "random (replacement)"


class AgentSearcher(Searcher):
    """A language model that proposes allocations and, after every batch, writes a guideline.

    For a batch it may call functions and then proposes allocations as JSON. Unusable ones are sent
    back with the reason, at most twice; what is then missing is replaced and says so in its
    origin. Told the same transcripts, it decides the same. What differs between searchers is in
    the class variables (prompt files, function names), `begin`, `replace` and `stand_in`.
    """

    proposing: ClassVar[str] = "plain_propose"
    guiding: ClassVar[str] = "feedback"
    functions: ClassVar[Sequence[str]] = FACTS

    def __init__(self, problem: Problem, seed: int, **options: Any) -> None:
        """`options` are those of AgentSettings. Raises InvalidInput."""
        super().__init__(problem, seed)
        self.settings = AgentSettings.of(options)
        self._chat = self.connect()
        context = Context(self.settings.context_tokens, self.settings.max_tokens)
        functions = self.functions if self.settings.functions else ()
        self._conversation = Conversation(self._chat, problem, functions, context)
        self._prompts = {path.stem: PromptTemplate(path) for path in PROMPTS.glob("*.j2") if _is_prompt(path)}
        self._space = FeasibleSpace(problem)
        self._rng = np.random.default_rng(seed)
        self._trials: list[Trial] = []
        self._guidelines: list[Guideline] = []
        self._batch: list[Trial] = []
        self._begun = False
        self._require_room()

    def connect(self) -> ChatModel:
        """The model to converse with. Raises InvalidInput where the settings name none."""
        return OpenAIChat(self.settings, self.seed)

    @classmethod
    def rehearsing(
        cls, problem: Problem, seed: int, transcripts: Sequence[Transcript], options: Mapping[str, Any]
    ) -> Searcher:
        chat = ReplayChat(transcripts, Silent(str(options.get("model", "")), len(transcripts)))
        kind: Any = type(cls.__name__, (cls,), {"connect": lambda _: chat})
        return built(f"searcher {cls.name!r}", cast(type[Searcher], kind), options, problem, seed)

    @property
    def paid_model(self) -> Model | None:
        model = self.settings.priced
        return model if is_priced(model) else None

    def metered(self, meter: Meter) -> None:
        # Other chat models are those of programs, which know what they spend.
        if isinstance(self._chat, OpenAIChat):
            self._chat.meter = meter

    def begin(self, n: int) -> list[Proposal]:
        """The first batch; nothing was tried."""
        return self.propose(n)

    def replace(self, n: int, accepted: Sequence[Allocation]) -> list[Proposal]:
        """Up to `n` new proposals beside the accepted ones, where the model gave no usable ones."""
        taken = {*accepted, *(trial.allocation for trial in self._trials)}
        drawn: list[Proposal] = []
        while len(drawn) < n and (allocation := self._space.untried(taken, self._rng)) is not None:
            taken.add(allocation)
            drawn.append(Proposal(allocation, RANDOM, "drawn within the budget"))
        return drawn

    def stand_in(self, batch: int) -> Guideline:
        """The guideline on a batch where the model wrote none; also the loop's sign that it was asked."""
        return Guideline(batch, "The agent wrote no guideline.", self.name)

    def listen(self, keep: Keep) -> None:
        self._conversation.keep = keep

    def replay(self, transcripts: Sequence[Transcript]) -> None:
        self._conversation.chat = ReplayChat(transcripts, self._chat)

    def ask(self, n: int) -> list[Proposal]:
        left = self.problem.count() - len(self._trials)
        if left <= 0:
            return []
        if self._begun:
            return self.propose(min(n, left))
        self._begun = True
        return self.begin(min(n, left))

    def tell(self, trials: Sequence[Trial]) -> None:
        # In one order, whatever the order of telling: the prompts and so the decisions depend on it.
        self._batch = sorted(trials, key=lambda trial: trial.number)
        self._trials.extend(self._batch)

    def conclude(self) -> Guideline | None:
        return self.write_guideline(self.guiding, self._batch[-1].batch)

    def write_guideline(self, name: str, batch: int) -> Guideline:
        """The model's guideline on a batch, by the prompt file `name`."""

        def ask() -> str:
            messages = self._question(name, flat=flat_spread(self._batch))
            return self._conversation.ask(messages, self._prompts[name], "guidelines", max(batch, 0)).text.strip()

        text = self._conversation.within_context(ask)
        if not text:
            self._conversation.refuse(["an empty guideline"])
        guideline = Guideline(batch, text, self.name) if text else self.stand_in(batch)
        self._guidelines.append(guideline)
        return guideline

    def propose(self, count: int) -> list[Proposal]:
        """`count` proposals of the model, replaced where it gives no usable ones; at most what is left."""
        accepted = self._conversation.within_context(lambda: self._accepted(count))
        reason = self._guidelines[-1].text.split("\n")[0] if self._guidelines else "the agent's choice"
        proposals = [Proposal(allocation, self.name, reason) for allocation in accepted]
        return proposals + self._replacements(count - len(accepted), accepted)

    def values(self, extent: Extent) -> dict[str, Any]:
        """What every prompt may show, at most to an extent; the prompt's file decides what it does."""
        earlier = max(0, len(self._trials) - extent.proposed)
        return {
            **problem_values(self.problem),
            **history_values(self._trials, extent.trials),
            "batch": batch_lines(self._batch, self._trials, extent.trials, extent.batch),
            "guidelines": guideline_lines(self._guidelines, extent.guidelines),
            "proposed": [str(trial.allocation) for trial in self._trials[earlier:]],
            "earlier": earlier,
        }

    def _accepted(self, count: int) -> list[Allocation]:
        """At most `count` usable allocations of the model, in three answers."""
        prompt, purpose = self._prompts[self.proposing], "propose"
        batch = self._batch[-1].batch + 1 if self._batch else 0
        asked = self._question(self.proposing, REPAIR_ROOM, count=count, form=proposal_form(self.problem.space))
        question = self._conversation.consult(asked, self._prompts["consult"], batch, self._trials)
        messages: Sequence[Message] = question
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
            messages = self._repair(question, answer.text, reading.problems, accepted, count - len(accepted))
        return accepted

    def _question(self, name: str, spare: int = 0, **values: Any) -> Sequence[Message]:
        """The longest form of a prompt that leaves `spare` tokens of the model's context; else its shortest."""
        messages: Sequence[Message] = ()
        for extent in extents(self.settings.history):
            messages = self._prompts[name].render(**self.values(extent), **values)
            if self._conversation.holds(messages, spare):
                break
        return messages

    def _repair(
        self,
        question: Sequence[Message],
        answer: str,
        problems: Sequence[str],
        accepted: Sequence[Allocation],
        count: int,
    ) -> Sequence[Message]:
        """The question with its answer and the reasons why that is refused, as many as there is room for.

        Earlier repairs are left out: a small model's context would not hold them.
        """
        messages = question
        for shown, said in ((PROBLEMS, [Message("assistant", answer)]), (PROBLEMS, []), (1, [])):
            again = self._prompts["repair"].render(
                **problem_values(self.problem),
                problems=problems[:shown],
                more=len(problems[shown:]),
                accepted=[str(allocation) for allocation in accepted],
                count=count,
            )
            messages = extended(question, [*said, *again])
            if self._conversation.holds(messages):
                break
        return messages

    def _require_room(self) -> None:
        """Raises InvalidInput where the context that the settings name cannot hold the problem."""
        messages = self._question(self.proposing, REPAIR_ROOM, count=1, form=proposal_form(self.problem.space))
        if not self._conversation.holds(messages, REPAIR_ROOM):
            needed, given = self._conversation.needs(messages) + REPAIR_ROOM, self.settings.context_tokens
            raise InvalidInput("context_tokens", f"{given} are too few to ask about this task: it takes about {needed}")

    def _known(self, accepted: Sequence[Allocation]) -> dict[Allocation, str]:
        """The allocations that are not wanted any more, and why."""
        known = {trial.allocation: f"was tried in trial {trial.number}" for trial in self._trials}
        return known | dict.fromkeys(accepted, "was proposed already")

    def _replacements(self, count: int, accepted: Sequence[Allocation]) -> list[Proposal]:
        why = f"the agent gave no usable proposal in {1 + REPAIRS} answers"
        return [Proposal(p.allocation, p.origin, f"{p.reason} ({why})") for p in self.replace(count, accepted)[:count]]


def _is_prompt(path: Path) -> bool:
    """Whether a template is a prompt of its own and not a part that others include."""
    return path.read_text(encoding="utf-8").startswith("--- ")
