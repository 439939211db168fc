"""A chat completion as an agent's server sends it, checked where it comes in: the server is not trusted."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, field_validator

from environment.backends.chat_answer import AnswerMessage, ChatAnswer, Choice


class CalledFunction(BaseModel):
    """The name and the arguments are the model's own texts."""

    name: str
    arguments: str = ""


class ReplyCall(BaseModel):
    """A function that the model wants called."""

    id: str = ""
    function: CalledFunction


class ReplyMessage(AnswerMessage):
    """A text, calls of functions, or both."""

    tool_calls: list[ReplyCall] = Field(default_factory=list)

    @field_validator("tool_calls", mode="wrap")
    @classmethod
    def _nonsense_is_no_call(cls, value: Any, check: ValidatorFunctionWrapHandler) -> list[ReplyCall]:
        found: list[ReplyCall] = []
        for one in value if isinstance(value, list) else ():
            try:
                found += check([one])
            except ValidationError:
                continue
        return found


class ReplyChoice(Choice):
    """One message; the agent asks for one and reads the first."""

    message: ReplyMessage


class Reply(ChatAnswer):
    """What is read of an agent's answer; everything else is ignored."""

    choices: list[ReplyChoice] = Field(min_length=1)  # type: ignore[assignment]
