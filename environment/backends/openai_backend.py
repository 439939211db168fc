"""Samples from any OpenAI-compatible endpoint, local or remote."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from environment.backend import Collected, Receiver, Sending, part_of
from environment.backends.chat_answer import ChatAnswer, Choice, TokenCount, TokenMeter
from environment.backends.chat_client import ChatClient
from environment.backends.chat_request import Ability, request_body, runs_of
from environment.backends.clock import Clock, SystemClock
from environment.backends.drawing import Drawing
from environment.backends.endpoint import Endpoint
from environment.backends.endpoint_faults import PassingError, PromptTooLong
from environment.backends.gate import Gate, ParameterRefused
from environment.backends.prefix_order import ask_of
from environment.backends.slots import Slots
from environment.prompt_tokens import most_tokens
from environment.side_by_side import first_to_finish
from storage.fault import Fault, FaultKind
from storage.sample import CONTENT_FILTER, PROMPT_TOO_LONG, GenerationRequest, Race, Sample
from tools.errors import EndpointError, InvalidInput

LOG = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds
NOTED_WAIT = 0.1
"""Seconds from which on a request that is held back is noted."""


@dataclass(frozen=True, slots=True)
class TokenAccounting:
    """How many samples' token counts came from the server and how many had to be estimated."""

    counted: int = 0
    estimated: int = 0


class OpenAIBackend:
    """Draws samples over HTTP, several choices a request where the server gives them.

    Sample i of a request is drawn with the seed hash(request) + i. Servers that number the seeds
    of a request's choices upward (llama.cpp, vLLM) so draw the same text however the samples are
    batched, up to their own rounding.

    The starters of a race are requests of their own, sent side by side as far as the endpoint's gate
    allows, and streamed. When enough have finished, the connections of the others are closed, which
    makes servers stop, and those still waiting for their turn are never sent. A sample of a race
    carries the tokens of its own request, prompt included; what a cancelled one had used is unknown.

    A prompt that does not fit the model's context, and a text that a content filter removes every
    time, is answered by an empty sample whose `finish_reason` says so, unless the endpoint's
    `unanswered` is "fail" (docs/faults.md).
    """

    def __init__(self, endpoint: Endpoint, *, clock: Clock | None = None) -> None:
        self.endpoint = endpoint
        self.token_accounting = TokenAccounting()
        self._clock = SystemClock() if clock is None else clock
        self.gate = Gate(self._clock, endpoint.concurrency)
        self._client = ChatClient(endpoint, self.gate)
        self._slots = Slots(endpoint, self.gate.limit)
        self._abilities: dict[str, Ability] = {}
        self._meters: dict[str, TokenMeter] = {}

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        """Delivers one sample for each index, as the answers come in.

        Raises EndpointError with URL, model, status and a hint, at once for a permanent fault and
        after `max_attempts` tries for a passing one; a race fails with the first starter that does.
        Raises ValueError for part of a race.
        """
        if request.race is not None:
            await self._race(request, request.race, indices, receiver)
        else:
            await self._draw(request, runs_of(indices), receiver)

    def share(self, part: int, parts: int) -> None:
        """Takes its part of the endpoint's concurrency. Raises InvalidInput where not even one request is left."""
        most = self.endpoint.concurrency
        own = part_of(most, part, parts)
        if own < 1:
            raise InvalidInput(
                "executor option workers",
                f"must be {most} at most: {self.endpoint.address} takes {most} requests at once; "
                "use fewer workers or raise the endpoint's concurrency",
            )
        self.gate.limit.narrow(own)
        self._slots.share(part, parts)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._slots.aclose()
        await self._client.aclose()

    async def _race(self, request: GenerationRequest, race: Race, indices: Sequence[int], receiver: Receiver) -> None:
        if list(indices) != list(range(race.finishers)):
            raise ValueError(f"a race is drawn as a whole, not {list(indices)} of its {race.finishers} samples")

        async def start(starter: int) -> Sample:
            one = _Starter(receiver)
            await self._draw(request, [range(starter, starter + 1)], one)
            return one.samples[starter]

        async with receiver.sending(race.starters, self.endpoint.address) as sending:
            sending.go()
            finished = await first_to_finish(map(start, range(race.starters)), race.finishers)
            sending.settled(lost=race.starters - race.finishers)
            await receiver.deliver(dict(enumerate(finished)))

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
                left, refusals = await self._ask(drawing, request, run, redraw, receiver)
            except ParameterRefused:
                drawing.start(fill(run, redraw))
                return
            for part in runs_of(left):
                drawing.start(fill(part, redraw))
            if refusals:
                drawing.start(again(refusals, redraw + 1))

        async def again(refusals: dict[int, str], redraw: int) -> None:
            if redraw >= self.endpoint.max_attempts:
                reason = next(iter(refusals.values()))
                error = self._client.error(
                    request.model, f"{reason}, {redraw} times", hint="change the prompt or the model"
                )
                await self._leave_empty(list(refusals), CONTENT_FILTER, error, receiver)
                return
            await self._clock.sleep(FIRST_WAIT)
            for run in runs_of(list(refusals)):
                drawing.start(fill(run, redraw))

        await drawing.run(fill(run, 0) for run in runs)

    async def _ask(
        self, drawing: Drawing, request: GenerationRequest, run: range, redraw: int, receiver: Receiver
    ) -> tuple[list[int], dict[int, str]]:
        """Asks for a run and delivers what came, tried again while its faults may pass.

        Returns the indices that the answer left out, and those it refused with the reason.
        """
        for failed in range(1, self.endpoint.max_attempts + 1):
            try:
                return await self._try(drawing, request, run, redraw, receiver)
            except PassingError as fault:
                last = fault
            except PromptTooLong as error:
                self._note(receiver, request.model, FaultKind.TOO_LONG)
                await self._leave_empty(run, PROMPT_TOO_LONG, error, receiver)
                return [], {}
            except EndpointError:
                self._note(receiver, request.model, FaultKind.REFUSED)
                raise
            if failed < self.endpoint.max_attempts:
                wait = _seconds_to_wait(last, failed)
                self._note(receiver, request.model, last.kind, retried=True, waited=wait)
                await self._clock.sleep(wait)
        self._note(receiver, request.model, last.kind)
        tries = f"gave up after {self.endpoint.max_attempts} attempts; the last one: {last}"
        raise self._client.error(request.model, tries, hint="is the server up and not overloaded?")

    async def _try(
        self, drawing: Drawing, request: GenerationRequest, run: range, redraw: int, receiver: Receiver
    ) -> tuple[list[int], dict[int, str]]:
        ability = self._ability(request.model)
        body = request_body(request, run, redraw, ability)
        tokens = sum(most_tokens(request, len(run)))
        async with receiver.sending(len(run), self.endpoint.address) as sending:
            async with self.gate.turn(tokens, ask_of(request, len(run))) as held:
                if held >= NOTED_WAIT:
                    self._note(receiver, request.model, FaultKind.HELD_BACK, waited=held)
                drawing.require_whole()
                sending.go()
                with drawing.sending():
                    started = time.perf_counter()
                    answer = await self._post(request.model, body, ability, sending)
                    latency = time.perf_counter() - started
                if self.gate.has_slots:
                    self._slots.learn()
            return await self._deliver(request, run, answer, latency, receiver)

    async def _post(self, model: str, body: dict[str, object], ability: Ability, sending: Sending) -> ChatAnswer:
        try:
            answer = await self._client.post(model, body, ability)
        except PassingError as fault:
            if not fault.billed:
                sending.settled()
            raise
        except (EndpointError, ParameterRefused):
            sending.settled()
            raise
        sending.settled()
        return answer

    async def _deliver(
        self, request: GenerationRequest, run: range, answer: ChatAnswer, latency: float, receiver: Receiver
    ) -> tuple[list[int], dict[int, str]]:
        answer = answer.bounded(request.sampling.max_tokens)
        places = answer.by_place(len(run))
        self._ability(request.model).gave(len(places), len(run))
        meter = self._meters.setdefault(request.model, TokenMeter())
        counted = meter.count(list(places.values()), answer.usage, request.sampling.max_tokens)
        counts = dict(zip(places, counted, strict=True))
        samples = self._samples(request.model, run, places, counts, answer, latency)
        if samples:
            await receiver.deliver(samples)
        refused = {place: choice.refusal for place, choice in places.items() if place < len(run) and choice.refusal}
        refusals = {run[place]: reason for place, reason in refused.items()}
        left = [index for index in run if index not in samples and index not in refusals]
        if left:
            self._note(receiver, request.model, FaultKind.SHORT, retried=True)
        if refused:
            fault = Fault(self.endpoint.address, request.model, FaultKind.FILTERED, retried=True, waited=FIRST_WAIT)
            removed = sum(counts[place].tokens for place in refused)
            receiver.note(replace(fault, lost_generations=len(refused), lost_generation_tokens=removed))
        return left, refusals

    async def _leave_empty(self, indices: Sequence[int], reason: str, error: EndpointError, receiver: Receiver) -> None:
        """Delivers empty samples where no answer is to be had. Raises the error where that is not wanted."""
        if self.endpoint.unanswered == "fail":
            raise error
        LOG.warning("%s; it scores as an empty answer", error)
        await receiver.deliver(dict.fromkeys(indices, Sample("", finish_reason=reason)))

    def _samples(
        self,
        model: str,
        run: range,
        places: dict[int, Choice],
        counts: dict[int, TokenCount],
        answer: ChatAnswer,
        latency: float,
    ) -> dict[int, Sample]:
        samples: dict[int, Sample] = {}
        for place, choice in sorted(places.items()):
            if place >= len(run) or choice.refusal:
                continue
            # The prompt was read once for all choices: the first sample pays for it.
            prompt_tokens = answer.usage.prompt_tokens if answer.usage and not samples else 0
            samples[run[place]] = Sample(
                choice.text,
                prompt_tokens,
                counts[place].tokens,
                latency,
                choice.finish_reason or "stop",
                choice.mean_logprob,
            )
            self._account(model, counts[place].estimated)
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

    def _note(
        self, receiver: Receiver, model: str, kind: FaultKind, *, retried: bool = False, waited: float = 0.0
    ) -> None:
        receiver.note(Fault(self.endpoint.address, model, kind, retried, waited))

    def _ability(self, model: str) -> Ability:
        return self._abilities.setdefault(model, Ability(self.endpoint.max_choices))


def _seconds_to_wait(fault: PassingError, failed: int) -> float:
    """Before another try: what the server says, else twice as long each time, and a little more by chance."""
    if fault.retry_after is not None:
        return fault.retry_after
    return min(FIRST_WAIT * 2.0 ** min(failed - 1, 10) + random.uniform(0, FIRST_WAIT), LONGEST_WAIT)


class _Starter(Collected):
    """Receives the one sample of a race's starter; what it spends was reserved with the whole race."""

    def __init__(self, race: Receiver) -> None:
        super().__init__()
        self._race = race

    def note(self, fault: Fault) -> None:
        """As for the race."""
        self._race.note(fault)
