"""What is sent for a run of samples: the request body, its seed, and what the server is known to take."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import openai

from environment.backends.endpoint_faults import complains_about
from storage.sample import GenerationRequest

SEEDS = 2**30
"""A seed is below this plus the sample's index, so it fits 31 bits."""


@dataclass(slots=True)
class Ability:
    """What one model behind an endpoint has shown it can do; learnt once, by its answers."""

    most_choices: int | None = None
    proven_choices: int = 1
    seed: bool = True
    logprobs: bool = True
    stream: bool = True
    stream_usage: bool = True
    limit: str = "max_tokens"

    def asks(self, wanted: int) -> int:
        """How many choices the next request asks for."""
        return wanted if self.most_choices is None else min(wanted, self.most_choices)

    def gave(self, choices: int, asked: int) -> None:
        """Learns from an answer; one short answer does not unlearn a longer one."""
        self.proven_choices = max(self.proven_choices, choices)
        if choices < asked and asked > self.proven_choices:
            self.most_choices = self.proven_choices

    def refused(self, body: dict[str, Any], error: openai.APIStatusError) -> str | None:
        """Learns from an error status: the parameter to leave out next time, None where it is about no such."""
        asked = body.get("n", 1)
        if asked > 1 and complains_about(error, "n"):
            # Halving finds the most that the server gives in a few requests, whatever words it uses.
            self.most_choices = max(self.proven_choices, min(self.most_choices or asked, asked // 2))
            if self.most_choices < asked:
                return "n"
        if "logprobs" in body and any(complains_about(error, name) for name in ("logprobs", "top_logprobs")):
            self.logprobs = False
            return "logprobs"
        if "stream_options" in body and complains_about(error, "stream_options"):
            self.stream_usage = False
            return "stream_options"
        if "stream" in body and complains_about(error, "stream"):
            self.stream = False
            return "stream"
        if "seed" in body and complains_about(error, "seed"):
            self.seed = False
            return "seed"
        if "max_tokens" in body and "max_completion_tokens" in error.message:
            self.limit = "max_completion_tokens"
            return "max_tokens"
        return None


def request_body(request: GenerationRequest, run: range, redraw: int, ability: Ability) -> dict[str, Any]:
    """The JSON body that asks for a run of neighbouring samples."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": request.model,
        # Written out, because asdict copies deeply.
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
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
        # Strategies read them, and with several choices their number is the only exact count of each one's tokens.
        body |= {"logprobs": True, "top_logprobs": 1}
    if request.race is not None and ability.stream:
        # A server that sends as it goes notices that a loser's connection has closed; others finish unheard.
        body["stream"] = True
        if ability.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return body


def draw_seed(request: GenerationRequest, index: int, redraw: int = 0) -> int:
    """The 31-bit seed of a sample; a refused draw is repeated with another one."""
    digest = hashlib.sha256(f"{request.key}:{redraw}".encode()).digest()
    return (int.from_bytes(digest[:8]) % SEEDS + index) % 2**31


def runs_of(indices: Sequence[int]) -> list[range]:
    """Neighbouring indices together: a server that numbers seeds upward must not skip an index."""
    runs: list[range] = []
    for index in sorted(set(indices)):
        if runs and runs[-1].stop == index:
            runs[-1] = range(runs[-1].start, index + 1)
        else:
            runs.append(range(index, index + 1))
    return runs
