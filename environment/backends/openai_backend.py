"""Samples from any OpenAI-compatible endpoint, local or remote."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import openai
import tenacity
from pydantic import ValidationError

from environment.backend import Collected, Receiver
from environment.backends.chat_answer import ChatAnswer, Choice, TokenMeter
from environment.backends.chat_request import Ability, request_body, runs_of
from environment.backends.chat_stream import whole_answer
from environment.backends.drawing import Drawing
from environment.backends.endpoint import Endpoint
from environment.backends.endpoint_faults import HINTS, PassingError, is_passing, readable, retry_after
from environment.side_by_side import first_to_finish
from storage.sample import GenerationRequest, Race, Sample
from tools.errors import EndpointError

LOG = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TokenAccounting:
    """How many samples' token counts came from the server and how many had to be estimated."""

    counted: int = 0
    estimated: int = 0


class _ParameterRefused(Exception):
    """The server refused one parameter and the ability now says so."""


class OpenAIBackend:
    """Draws samples over HTTP, several choices a request where the server gives them.

    Sample i of a request is drawn with the seed hash(request) + i. Servers that number the seeds
    of a request's choices upward (llama.cpp, vLLM) so draw the same text however the samples are
    batched, up to their own rounding.

    The starters of a race are requests of their own, sent side by side as far as `concurrency`
    allows, and streamed. When enough have finished, the connections of the others are closed, which
    makes servers stop, and those still waiting for their turn are never sent. A sample of a race
    carries the tokens of its own request, prompt included; what a cancelled one had used is unknown.
    """

    def __init__(self, endpoint: Endpoint, *, sleep: Sleep = asyncio.sleep) -> None:
        self.endpoint = endpoint
        self.token_accounting = TokenAccounting()
        self._sleep = sleep
        self._slots = asyncio.Semaphore(endpoint.concurrency)
        self._client: openai.AsyncOpenAI | None = None
        self._abilities: dict[str, Ability] = {}
        self._meters: dict[str, TokenMeter] = {}
        self._wait = tenacity.wait_exponential(FIRST_WAIT, LONGEST_WAIT) + tenacity.wait_random(0, FIRST_WAIT)

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        """Delivers one sample for each index, as the answers come in.

        Raises EndpointError with URL, model, status and a hint, at once for a permanent fault and
        after `max_attempts` tries for a passing one; a race fails with the first starter that does.
        Raises ValueError for part of a race.
        """
        if request.race is not None:
            await receiver.deliver(await self._race(request, request.race, indices))
        else:
            await self._draw(request, runs_of(indices), receiver)

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()

    async def _race(self, request: GenerationRequest, race: Race, indices: Sequence[int]) -> dict[int, Sample]:
        if list(indices) != list(range(race.finishers)):
            raise ValueError(f"a race is drawn as a whole, not {list(indices)} of its {race.finishers} samples")

        async def start(starter: int) -> Sample:
            one = Collected()
            await self._draw(request, [range(starter, starter + 1)], one)
            return one.samples[starter]

        return dict(enumerate(await first_to_finish(map(start, range(race.starters)), race.finishers)))

    async def _draw(self, request: GenerationRequest, runs: Sequence[range], receiver: Receiver) -> None:
        drawing = Drawing()

        async def fill(run: range, redraw: int) -> None:
            """A run of neighbouring indices, in as many requests as it takes."""
            size = self._ability(request.model).asks(len(run))
            if size < len(run):
                for start in range(0, len(run), size):
                    drawing.start(fill(run[start : start + size], redraw))
                return
            try:
                answer, latency = await self._ask(drawing, request, run, redraw)
            except _ParameterRefused:
                drawing.start(fill(run, redraw))
                return
            places = answer.by_place(len(run))
            self._ability(request.model).gave(len(places), len(run))
            samples = self._samples(request, run, places, answer, latency)
            if samples:
                await receiver.deliver(samples)
            refused = [run[place] for place, choice in places.items() if place < len(run) and choice.refusal]
            for part in runs_of([index for index in run if index not in samples and index not in refused]):
                drawing.start(fill(part, redraw))
            if refused:
                reason = next(choice.refusal for choice in places.values() if choice.refusal)
                drawing.start(again(refused, redraw + 1, reason or ""))

        async def again(indices: Sequence[int], redraw: int, reason: str) -> None:
            if redraw >= self.endpoint.max_attempts:
                raise self._error(request.model, f"{reason}, {redraw} times", hint="change the prompt or the model")
            await self._sleep(FIRST_WAIT)
            for run in runs_of(indices):
                drawing.start(fill(run, redraw))

        await drawing.run(fill(run, 0) for run in runs)

    def _samples(
        self,
        request: GenerationRequest,
        run: range,
        places: dict[int, Choice],
        answer: ChatAnswer,
        latency: float,
    ) -> dict[int, Sample]:
        meter = self._meters.setdefault(request.model, TokenMeter())
        counts = meter.count(list(places.values()), answer.usage, request.sampling.max_tokens)
        samples: dict[int, Sample] = {}
        count_of = dict(zip(places, counts, strict=True))
        for place, choice in sorted(places.items()):
            if place >= len(run) or choice.refusal:
                continue
            # The prompt was read once for all choices: the first sample pays for it.
            prompt_tokens = answer.usage.prompt_tokens if answer.usage and not samples else 0
            samples[run[place]] = Sample(
                choice.text,
                prompt_tokens,
                count_of[place].tokens,
                latency,
                choice.finish_reason or "stop",
                choice.mean_logprob,
            )
            self._account(request.model, count_of[place].estimated)
        return samples

    def _account(self, model: str, estimated: bool) -> None:
        now = self.token_accounting
        if estimated and not now.estimated:
            LOG.warning(
                "%s: model %s: the server does not count each choice's tokens; they are estimated",
                self.endpoint.address,
                model,
            )
        self.token_accounting = replace(now, counted=now.counted + (not estimated), estimated=now.estimated + estimated)

    async def _ask(
        self, drawing: Drawing, request: GenerationRequest, run: range, redraw: int
    ) -> tuple[ChatAnswer, float]:
        """One answer with at least one choice, tried again while its faults may pass."""
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self.endpoint.max_attempts),
            wait=self._seconds_to_wait,
            retry=tenacity.retry_if_exception_type(PassingError),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await retrying(self._try, drawing, request, run, redraw)
        except PassingError as fault:
            tries = f"gave up after {self.endpoint.max_attempts} attempts; the last one: {fault}"
            raise self._error(request.model, tries, hint="is the server up and not overloaded?") from None

    async def _try(
        self, drawing: Drawing, request: GenerationRequest, run: range, redraw: int
    ) -> tuple[ChatAnswer, float]:
        ability = self._ability(request.model)
        body = request_body(request, run, redraw, ability)
        async with self._slots:
            drawing.require_whole()
            with drawing.sending():
                started = time.perf_counter()
                answer = await self._post(request.model, body)
                latency = time.perf_counter() - started
                if not answer.choices:
                    raise PassingError("an answer without choices")
        return answer, latency

    async def _post(self, model: str, body: dict[str, Any]) -> ChatAnswer:
        completions = self._connect().chat.completions
        content = b""
        try:
            # The client's own time-out starts anew with every byte that comes in.
            async with asyncio.timeout(self.endpoint.timeout):
                if "stream" in body:
                    async with await completions.create(**body) as stream:
                        return whole_answer([chunk async for chunk in stream])
                content = (await completions.with_raw_response.create(**body)).content
                return ChatAnswer.model_validate_json(content)
        except ValidationError as error:
            shown = self._shown(content.decode(errors="replace"))
            problem = f"an answer that is no chat completion ({error.errors()[0]['msg']}): {shown}"
            raise PassingError(problem) from None
        # `from None` throughout: the client's errors hold the request, and with it the key.
        except TimeoutError:
            raise PassingError(f"no answer within {self.endpoint.timeout:g} s") from None
        except openai.APIConnectionError as error:
            cause = f": {error.__cause__}" if error.__cause__ else ""
            raise PassingError(self._shown(f"the connection failed{cause}")) from None
        except openai.APIStatusError as error:
            raise self._judge(model, body, error) from None
        except (openai.APIError, ValueError) as error:
            raise PassingError(self._shown(f"an unreadable answer: {error}")) from None

    def _judge(self, model: str, body: dict[str, Any], error: openai.APIStatusError) -> Exception:
        """What to raise for an error status; learns which parameters the server does not take."""
        parameter = self._ability(model).refused(body, error)
        if parameter == "seed":
            LOG.warning("%s: model %s takes no seed: no draw is repeatable", self.endpoint.address, model)
        if parameter is not None:
            return _ParameterRefused()
        text = f"status {error.status_code}: {self._shown(error.message)}"
        if is_passing(error):
            return PassingError(text, retry_after(error.response.headers.get("retry-after")))
        hint = HINTS.get(error.status_code, "the server refuses the request for good")
        return self._error(model, text, hint.format(key_env=self.endpoint.key_env))

    def _error(self, model: str, problem: str, hint: str) -> EndpointError:
        return EndpointError(f"{self.endpoint.address}, model {model!r}: {problem} ({hint})")

    def _seconds_to_wait(self, state: tenacity.RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, PassingError) and fault.retry_after is not None:
            return min(fault.retry_after, LONGEST_WAIT)
        return min(self._wait(state), LONGEST_WAIT)

    def _ability(self, model: str) -> Ability:
        return self._abilities.setdefault(model, Ability(self.endpoint.max_choices))

    def _shown(self, text: str) -> str:
        return readable(text, self.endpoint.secret)

    def _connect(self) -> openai.AsyncOpenAI:
        if self._client is None:
            self._client = openai.AsyncOpenAI(
                base_url=self.endpoint.base_url,
                api_key=self.endpoint.client_key,
                timeout=None,
                max_retries=0,
            )
        return self._client
