"""Talks with the search agent's model and keeps a transcript of every call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from agent.llm.chat import ChatAnswer, ChatModel
from agent.llm.functions import CURVES, AgentFunctions
from agent.searcher import Problem
from environment.prompt_template import PromptTemplate
from storage.sample import Message
from storage.transcript import Transcript
from tools.trial import Trial

ROUNDS = 4
"""How often the agent may call functions before it must answer."""
CALLS = 12
"""How many calls of one round are carried out."""


class Conversation:
    """One session's exchanges with the agent's model, which may call the `functions` of these names."""

    def __init__(self, chat: ChatModel, problem: Problem, functions: Sequence[str]) -> None:
        self._chat = chat
        self._problem = problem
        self._functions = functions
        self._transcripts: list[Transcript] = []

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
        """One call, noted. `prompt` is the file the last message was made from. Raises EndpointError."""
        sent = tuple(asdict(message) for message in messages)
        answer = self._chat.complete(sent, schema=schema, tools=tools)
        self._transcripts.append(
            Transcript(
                batch=batch,
                attempt=attempt,
                purpose=purpose,
                model=self._chat.name,
                messages=sent,
                answer=answer.text,
                prompt_tokens=answer.prompt_tokens,
                generation_tokens=answer.generation_tokens,
                latency=answer.latency,
                tool_calls=tuple(asdict(call) for call in answer.tool_calls),
                prompt=prompt.digest,
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
            answer = self.ask(sent, prompt, "consult", batch, attempt=round_, tools=functions.schemas())
            if not answer.tool_calls:
                break
            results += [
                f"{call.name}({call.arguments}) = {functions.call(call.name, call.arguments)}"
                for call in answer.tool_calls[:CALLS]
            ]
        told = "\n".join(["Results of the functions you called:", *results])
        return extended(messages, [Message("user", told)]) if results else list(messages)

    def refuse(self, problems: Sequence[str]) -> None:
        """Notes that the last answer was not used as it stands, and why."""
        self._transcripts[-1] = replace(self._transcripts[-1], accepted=False, problem="; ".join(problems))

    def drain(self) -> list[Transcript]:
        """The transcripts since the last drain."""
        drained, self._transcripts = self._transcripts, []
        return drained


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
