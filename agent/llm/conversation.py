"""Talks with the search agent's model and keeps a transcript of every call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

from agent.llm.chat import ChatAnswer, ChatModel
from agent.llm.context import Context, ContextExceeded
from agent.llm.functions import CURVES, AgentFunctions
from agent.searcher import Keep, Problem
from environment.prompt_template import PromptTemplate
from storage.sample import Message
from storage.transcript import Transcript
from tools.trial import Trial

LOG = logging.getLogger(__name__)
ROUNDS = 4
"""How often the agent may call functions before it must answer."""
CALLS = 12
"""How many calls of one round are carried out."""
RESULTS = 12_000
"""Characters of results that are handed over; what is beyond is left out."""
ARGUMENTS = 400
"""Characters of a call's arguments that are repeated before its result."""
SHORTENINGS = 4
"""How often a question that the endpoint refuses as too long is asked anew, shorter."""
Answered = TypeVar("Answered")


class Conversation:
    """One session's exchanges with the agent's model, which may call the `functions` of these names.

    Before the first question `chat` may be replaced, and `keep` by who is told of every call (Searcher.listen).
    """

    def __init__(self, chat: ChatModel, problem: Problem, functions: Sequence[str], context: Context) -> None:
        self.chat = chat
        self.keep: Keep = lambda _place, _call: None
        self._problem = problem
        self._functions = functions
        self._context = context
        self._tools = AgentFunctions(problem, (), functions).schemas() if functions else []
        self._calls: list[Transcript] = []

    def needs(self, messages: Sequence[Message]) -> int:
        """About how many tokens a question, the functions' declarations and an answer take."""
        return self._context.estimate([asdict(message) for message in messages], self._tools) + self._context.answer

    def holds(self, messages: Sequence[Message], spare: int = 0) -> bool:
        """Whether a question fits the model's context beside `spare` tokens, as far as is known."""
        return self._context.tokens is None or self.needs(messages) + spare <= self._context.tokens

    def within_context(self, attempt: Callable[[], Answered]) -> Answered:
        """What `attempt` returns; it runs again when the endpoint says that a question of it was too long.

        By then the context is known better: `holds` allows less, and `attempt` must ask by it.
        Raises ContextExceeded when that does not help.
        """
        for _ in range(SHORTENINGS):
            try:
                return attempt()
            except ContextExceeded as error:
                LOG.warning("asking again with less: %s", error)
        return attempt()

    def ask(
        self,
        messages: Sequence[Message],
        prompt: PromptTemplate,
        purpose: str,
        batch: int,
        *,
        attempt: int = 0,
        schema: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> ChatAnswer:
        """One call, kept. `prompt` is the file the last message was made from.

        Raises EndpointError, and what keeping raises.
        """
        sent = tuple(asdict(message) for message in messages)
        noted = Transcript(batch, attempt, purpose, self.chat.name, sent, "", prompt=prompt.digest)
        try:
            answer = self.chat.complete(sent, max_tokens=self._context.answer, schema=schema, tools=tools)
        except ContextExceeded as error:
            self._context.refused(sent, tools, error.tokens)
            self._note(replace(noted, accepted=False, problem=str(error), context=error.tokens))
            raise
        self._context.counted(sent, tools, answer.prompt_tokens)
        self._note(
            replace(
                noted,
                answer=answer.text,
                prompt_tokens=answer.prompt_tokens,
                generation_tokens=answer.generation_tokens,
                latency=answer.latency,
                tool_calls=tuple(asdict(call) for call in answer.tool_calls),
            )
        )
        return answer

    def consult(
        self, messages: Sequence[Message], prompt: PromptTemplate, batch: int, trials: Sequence[Trial]
    ) -> list[Message]:
        """The messages with what the agent learnt by calling functions added to them.

        Results are handed over as plain text, which every endpoint takes, whatever it makes of
        tool messages without tools.
        """
        if not self._functions:
            return list(messages)
        functions = AgentFunctions(self._problem, trials, self._functions)
        results: list[str] = []
        for round_ in range(ROUNDS):
            sent = extended(messages, prompt.render(results=results, curves=CURVES in self._functions))
            answer = self.ask(sent, prompt, "consult", batch, attempt=round_, tools=self._tools)
            if not answer.tool_calls:
                break
            for call in answer.tool_calls[:CALLS]:
                called = f"{call.name[:ARGUMENTS]}({call.arguments[:ARGUMENTS]})"
                result = f"{called} = {functions.call(call.name, call.arguments)}"
                longer = [*results, result]
                fits = sum(map(len, longer)) <= RESULTS and self.holds(_informed(messages, longer))
                if not fits:
                    return _informed(messages, [*results, f"{called}: no room for its result"])
                results = longer
        return _informed(messages, results) if results else list(messages)

    def refuse(self, problems: Sequence[str]) -> None:
        """Notes that the last answer was not used as it stands, and why."""
        self._note(replace(self._calls.pop(), accepted=False, problem="; ".join(problems)))

    def _note(self, call: Transcript) -> None:
        self._calls.append(call)
        self.keep(len(self._calls) - 1, call)


def _informed(messages: Sequence[Message], results: Sequence[str]) -> list[Message]:
    told = "\n".join(["Results of the functions you called:", *results])
    return extended(messages, [Message("user", told)])


def extended(messages: Sequence[Message], more: Sequence[Message]) -> list[Message]:
    """The messages with more behind them; neighbours of one role become one.

    Many models' chat templates insist that user and assistant take turns.
    """
    joined = list(messages)
    for message in more:
        if joined and joined[-1].role == message.role:
            joined[-1] = Message(message.role, f"{joined[-1].content}\n\n{message.content}")
        else:
            joined.append(message)
    return joined
