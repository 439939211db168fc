"""Samples from any OpenAI-compatible endpoint, local or remote."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import openai
import tenacity
from pydantic import ValidationError

from environment.backends.chat_answer import ChatAnswer, Choice, TokenMeter
from environment.backends.endpoint_faults import (
    HINTS,
    PassingError,
    complains_about,
    is_passing,
    readable,
    retry_after,
)
from storage.sample import GenerationRequest, Sample
from tools.errors import EndpointError, InvalidInput
from tools.validation import is_count, require_positive

LOG = logging.getLogger(__name__)

NO_KEY = "none"  # what a server that wants no key gets, because the client insists on one
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds
SEEDS = 2**30  # a seed is below this plus the sample's index, so it fits 31 bits

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an OpenAI-compatible server listens and how hard it may be driven.

    `key_env` names the environment variable that holds the key; the key itself is read when the
    backend connects and kept nowhere else. `concurrency` is the number of requests under way at
    once, `timeout` the seconds one request may take, `max_attempts` how often it is tried, and
    `max_choices` caps the choices of one request (None: as many as the server turns out to give).
    """

    base_url: str
    key_env: str = "OPENAI_API_KEY"
    concurrency: int = 8
    timeout: float = 120.0
    max_attempts: int = 6
    max_choices: int | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput("endpoint.base_url", "must be an http(s) URL like http://127.0.0.1:8080/v1")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.key_env):
            # Not shown: a name this odd is probably the key itself.
            raise InvalidInput("endpoint.key_env", "must be the NAME of an environment variable, not a key")
        require_positive("endpoint.timeout", self.timeout)
        counts = {"concurrency": self.concurrency, "max_attempts": self.max_attempts}
        if self.max_choices is not None:
            counts["max_choices"] = self.max_choices
        for field, value in counts.items():
            if not is_count(value):
                raise InvalidInput(f"endpoint.{field}", f"must be a whole number of 1 or more, got {value!r}")

    @property
    def address(self) -> str:
        """The base URL without a user name or password: fit for messages and logs."""
        parts = urlsplit(self.base_url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


@dataclass(frozen=True, slots=True)
class TokenAccounting:
    """How many samples' token counts came from the server and how many had to be estimated."""

    counted: int = 0
    estimated: int = 0


@dataclass(slots=True)
class _Ability:
    """What one model behind the endpoint has shown it can do."""

    most_choices: int | None
    proven_choices: int = 1
    seed: bool = True
    logprobs: bool = True
    limit: str = "max_tokens"

    def asks(self, wanted: int) -> int:
        return wanted if self.most_choices is None else min(wanted, self.most_choices)

    def gave(self, choices: int, asked: int) -> None:
        """Learns from an answer; one short answer does not unlearn a longer one."""
        self.proven_choices = max(self.proven_choices, choices)
        if choices < asked and asked > self.proven_choices:
            self.most_choices = self.proven_choices


class _ParameterRefused(Exception):
    """The server refused one parameter and the ability now says so."""


class OpenAIBackend:
    """Draws samples over HTTP, several choices a request where the server gives them.

    Sample i of a request is drawn with the seed hash(request) + i. Servers that number the seeds
    of a request's choices upward (llama.cpp, vLLM) so draw the same text however the samples are
    batched, up to their own rounding.
    """

    def __init__(self, endpoint: Endpoint, *, sleep: Sleep = asyncio.sleep) -> None:
        self.endpoint = endpoint
        self.token_accounting = TokenAccounting()
        self._sleep = sleep
        self._slots = asyncio.Semaphore(endpoint.concurrency)
        self._client: openai.AsyncOpenAI | None = None
        self._abilities: dict[str, _Ability] = {}
        self._meters: dict[str, TokenMeter] = {}
        self._wait = tenacity.wait_exponential_jitter(initial=FIRST_WAIT, max=LONGEST_WAIT, jitter=FIRST_WAIT)

    async def generate(self, request: GenerationRequest, indices: Sequence[int]) -> list[Sample]:
        """One sample for each index, in their order.

        Raises EndpointError with URL, model, status and a hint, at once for a permanent fault and
        after `max_attempts` tries for a passing one.
        """
        samples = await self._fill_all(request, _runs(indices))
        return [samples[index] for index in indices]

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()

    async def _fill_all(self, request: GenerationRequest, runs: Sequence[range], redraw: int = 0) -> dict[int, Sample]:
        if len(runs) == 1:
            return await self._fill(request, runs[0], redraw)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._fill(request, run, redraw)) for run in runs]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return {index: sample for task in tasks for index, sample in task.result().items()}

    async def _fill(self, request: GenerationRequest, run: range, redraw: int) -> dict[int, Sample]:
        """Every sample of a run of neighbouring indices, in as many requests as it takes."""
        size = self._ability(request.model).asks(len(run))
        if size < len(run):
            parts = [run[start : start + size] for start in range(0, len(run), size)]
            return await self._fill_all(request, parts, redraw)
        try:
            answer, latency = await self._ask(request, run, redraw)
        except _ParameterRefused:
            return await self._fill(request, run, redraw)
        places = answer.by_place()
        self._ability(request.model).gave(len(places), len(run))
        samples = self._samples(request, run, places, answer, latency)
        refused = [run[place] for place, choice in places.items() if place < len(run) and choice.refusal]
        unanswered = [index for index in run if index not in samples and index not in refused]
        if unanswered:
            samples |= await self._fill_all(request, _runs(unanswered), redraw)
        if refused:
            reason = next(choice.refusal for choice in places.values() if choice.refusal)
            samples |= await self._draw_again(request, refused, redraw + 1, reason or "")
        return samples

    async def _draw_again(
        self, request: GenerationRequest, indices: Sequence[int], redraw: int, reason: str
    ) -> dict[int, Sample]:
        if redraw >= self.endpoint.max_attempts:
            raise self._error(request.model, f"{reason}, {redraw} times", hint="change the prompt or the model")
        await self._sleep(FIRST_WAIT)
        return await self._fill_all(request, _runs(indices), redraw)

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
                choice.text, prompt_tokens, count_of[place].tokens, latency, choice.finish_reason or "stop"
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

    async def _ask(self, request: GenerationRequest, run: range, redraw: int) -> tuple[ChatAnswer, float]:
        """One answer with at least one choice, tried again while its faults may pass."""
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self.endpoint.max_attempts),
            wait=self._seconds_to_wait,
            retry=tenacity.retry_if_exception_type(PassingError),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await retrying(self._try, request, run, redraw)
        except PassingError as fault:
            tries = f"gave up after {self.endpoint.max_attempts} attempts; the last one: {fault}"
            raise self._error(request.model, tries, hint="is the server up and not overloaded?") from None

    async def _try(self, request: GenerationRequest, run: range, redraw: int) -> tuple[ChatAnswer, float]:
        ability = self._ability(request.model)
        body = _body(request, run, redraw, ability)
        async with self._slots:
            started = time.perf_counter()
            content = await self._post(request.model, body)
            latency = time.perf_counter() - started
        try:
            answer = ChatAnswer.model_validate_json(content)
        except ValidationError as error:
            shown = self._shown(content[:200].decode(errors="replace"))
            problem = f"an answer that is no chat completion ({error.errors()[0]['msg']}): {shown}"
            raise PassingError(problem) from None
        if not answer.choices:
            raise PassingError("an answer without choices")
        return answer, latency

    async def _post(self, model: str, body: dict[str, Any]) -> bytes:
        client = self._connect()
        try:
            response = await client.chat.completions.with_raw_response.create(**body)
            content: bytes = response.content
            return content
        # `from None` throughout: the client's errors hold the request, and with it the key.
        except openai.APITimeoutError:
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
        ability = self._ability(model)
        asked = body.get("n", 1)
        if asked > 1 and complains_about(error, "n"):
            # Halving finds the most that the server gives in a few requests, whatever words it uses.
            ability.most_choices = max(ability.proven_choices, min(ability.most_choices or asked, asked // 2))
            if ability.most_choices < asked:
                return _ParameterRefused()
        if "logprobs" in body and any(complains_about(error, name) for name in ("logprobs", "top_logprobs")):
            ability.logprobs = False
            return _ParameterRefused()
        if "seed" in body and complains_about(error, "seed"):
            ability.seed = False
            LOG.warning("%s: model %s takes no seed: no draw is repeatable", self.endpoint.address, model)
            return _ParameterRefused()
        if "max_tokens" in body and "max_completion_tokens" in error.message:
            ability.limit = "max_completion_tokens"
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
        return self._wait(state)

    def _ability(self, model: str) -> _Ability:
        return self._abilities.setdefault(model, _Ability(self.endpoint.max_choices))

    def _shown(self, text: str) -> str:
        return readable(text, os.environ.get(self.endpoint.key_env, ""))

    def _connect(self) -> openai.AsyncOpenAI:
        if self._client is None:
            self._client = openai.AsyncOpenAI(
                base_url=self.endpoint.base_url,
                api_key=os.environ.get(self.endpoint.key_env) or NO_KEY,
                timeout=self.endpoint.timeout,
                max_retries=0,
            )
        return self._client


def _body(request: GenerationRequest, run: range, redraw: int, ability: _Ability) -> dict[str, Any]:
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [asdict(message) for message in request.messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        ability.limit: sampling.max_tokens,
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if ability.seed and sampling.temperature > 0:
        body["seed"] = draw_seed(request, run.start, redraw)
    if len(run) > 1:
        body["n"] = len(run)
        if ability.logprobs:
            # Asked for their number alone: it is the only exact count of each choice's tokens.
            body |= {"logprobs": True, "top_logprobs": 1}
    return body


def draw_seed(request: GenerationRequest, index: int, redraw: int = 0) -> int:
    """The 31-bit seed of a sample; a refused draw is repeated with another one."""
    digest = hashlib.sha256(f"{request.key}:{redraw}".encode()).digest()
    return (int.from_bytes(digest[:8]) % SEEDS + index) % 2**31


def _runs(indices: Sequence[int]) -> list[range]:
    """Neighbouring indices together: a server that numbers seeds upward must not skip an index."""
    runs: list[range] = []
    for index in sorted(set(indices)):
        if runs and runs[-1].stop == index:
            runs[-1] = range(runs[-1].start, index + 1)
        else:
            runs.append(range(index, index + 1))
    return runs
