"""One request to an OpenAI-compatible endpoint: its answer, or what went wrong with it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx2
import openai
from pydantic import ValidationError

from environment.backends.chat_answer import ChatAnswer
from environment.backends.chat_request import Ability
from environment.backends.chat_stream import whole_answer
from environment.backends.endpoint import Endpoint
from environment.backends.endpoint_client import async_client, was_sent
from environment.backends.endpoint_faults import (
    HINTS,
    PassingError,
    PromptTooLong,
    is_passing,
    is_too_long,
    readable,
    retry_after,
)
from environment.backends.gate import LONGEST_DELAY, Gate, ParameterRefused
from environment.spans import chat_span
from storage.fault import FaultKind
from tools.errors import EndpointError

LOG = logging.getLogger(__name__)


class ChatClient:
    """Posts chat completions to one endpoint; its gate is told what the answers' headers say."""

    def __init__(self, endpoint: Endpoint, gate: Gate) -> None:
        self._endpoint = endpoint
        self._gate = gate
        self._client: openai.AsyncOpenAI | None = None

    async def post(self, model: str, body: dict[str, Any], ability: Ability) -> ChatAnswer:
        """The answer to a request, with at least one choice.

        Raises PassingError where another try may help, ParameterRefused where the ability now says
        what to leave out, PromptTooLong or another EndpointError where the fault is permanent.
        """
        with chat_span(self._endpoint, body) as asked:
            answer = await self._answer(model, body, ability)
            if not answer.choices:
                raise PassingError("an answer without choices", FaultKind.NO_CHOICES, billed=True)
            usage, choices = answer.usage, answer.choices
            asked.answered(
                [choice.message.content for choice in choices],
                [choice.finish_reason for choice in choices],
                usage.prompt_tokens if usage else None,
                usage.completion_tokens if usage else None,
            )
        return answer

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()

    def error(self, model: str, problem: str, hint: str) -> EndpointError:
        """A permanent fault of this endpoint."""
        return EndpointError(self._told(model, problem, hint))

    async def _answer(self, model: str, body: dict[str, Any], ability: Ability) -> ChatAnswer:
        client = self._connect()
        content = b""
        try:
            # The client's own time-out starts anew with every byte that comes in.
            async with asyncio.timeout(self._endpoint.timeout):
                if "stream" in body:
                    async with await client.chat.completions.create(**body) as stream:
                        self._gate.observe(stream.response.headers)
                        return whole_answer([chunk async for chunk in stream])
                # The body is as it is to be sent, and the answer checked here: the typed method would go through both.
                response = await client.post("/chat/completions", cast_to=httpx2.Response, body=body)
                self._gate.observe(response.headers)
                content = response.content
                return ChatAnswer.model_validate_json(content)
        except ValidationError as error:
            shown = self._shown(content.decode(errors="replace"))
            problem = f"an answer that is no chat completion ({error.errors()[0]['msg']}): {shown}"
            raise PassingError(problem, FaultKind.UNREADABLE, billed=True) from None
        # `from None` throughout: the client's errors hold the request, and with it the key.
        except TimeoutError:
            problem = f"no answer within {self._endpoint.timeout:g} s"
            raise PassingError(problem, FaultKind.TIMEOUT, billed=True) from None
        except openai.APIConnectionError as error:
            cause = f": {error.__cause__}" if error.__cause__ else ""
            problem = self._shown(f"the connection failed{cause}")
            raise PassingError(problem, FaultKind.CONNECTION, billed=was_sent(error)) from None
        except openai.APIStatusError as error:
            raise self._judge(model, body, error, ability) from None
        except (openai.APIError, ValueError) as error:
            problem = self._shown(f"an unreadable answer: {error}")
            raise PassingError(problem, FaultKind.UNREADABLE, billed=True) from None

    def _judge(self, model: str, body: dict[str, Any], error: openai.APIStatusError, ability: Ability) -> Exception:
        """What to raise for an error status; learns which parameters the server does not take."""
        headers = error.response.headers
        self._gate.observe(headers)
        parameter = ability.refused(body, error)
        if parameter == "seed":
            LOG.warning("%s: model %s takes no seed: no draw is repeatable", self._endpoint.address, model)
        if parameter is not None:
            return ParameterRefused()
        text = f"status {error.status_code}: {self._shown(error.message)}"
        if is_too_long(error):
            return PromptTooLong(self._told(model, text, "the prompt does not fit this model's context length"))
        if is_passing(error):
            wait = retry_after(headers.get("retry-after"))
            if wait is not None and wait > LONGEST_DELAY:
                hint = f"the server takes no request for the next {wait:,.0f} s; go on after that"
                return self.error(model, text, hint)
            limited = error.status_code < 500
            return PassingError(text, FaultKind.RATE_LIMITED if limited else FaultKind.SERVER_ERROR, wait)
        hint = HINTS.get(error.status_code, "the server refuses the request for good")
        return self.error(model, text, hint.format(key_env=self._endpoint.key_env))

    def _told(self, model: str, problem: str, hint: str) -> str:
        return f"{self._endpoint.address}, model {model!r}: {problem} ({hint})"

    def _shown(self, text: str) -> str:
        return readable(text, self._endpoint.secret)

    def _connect(self) -> openai.AsyncOpenAI:
        if self._client is None:
            self._client = async_client(self._endpoint, timeout=None)
        return self._client
