"""A chat server that answers with the recorded benchmark's generations, and logs every one it makes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from environment.backends.chat_request import draw_seed
from storage.sample import GenerationRequest, Message, SampleSource, SamplingParameters
from tests.environment.chat_server import Body, ChatServer, Reply, choice, completion, error

REDRAWS = 8
"""How often a text may be drawn again; the recording has one text for all of these draws."""


def request_of(body: Body) -> GenerationRequest:
    """The request whose samples a body asks for."""
    messages = tuple(Message(message["role"], message["content"]) for message in body["messages"])
    stop = tuple(body.get("stop", ()))
    sampling = SamplingParameters(body["temperature"], body["max_tokens"], body["top_p"], stop)
    return GenerationRequest(body["model"], messages, sampling)


@dataclass
class RecordedServer(ChatServer):
    """Choice i of a request with the seed of sample s is the recorded sample s + i.

    `made` counts every sample that it generated, by the request's key and the sample's index: the
    server's own bill.
    """

    source: SampleSource | None = None
    made: Counter[tuple[str, int]] = field(default_factory=Counter)

    def complete(self, body: Body) -> Reply:
        request = request_of(body)
        assert self.source is not None
        held = self.source.fetch([request.key]).get(request.key, {})
        first = first_sample(request, body, len(held))
        if first is None:
            return error(f"no recording of {json.dumps(body)[:200]}", status=404)
        samples = {index: held[index] for index in range(first, first + body.get("n", 1)) if index in held}
        self.made.update((request.key, index) for index in samples)
        choices = [choice(sample.text, sample.finish_reason, index=index - first) for index, sample in samples.items()]
        prompt = max(sample.prompt_tokens for sample in held.values())
        generated = sum(sample.generation_tokens for sample in samples.values())
        return completion(*choices, usage={"prompt_tokens": prompt, "completion_tokens": generated})


def first_sample(request: GenerationRequest, body: Body, count: int) -> int | None:
    """The index of the sample that a body's seed draws; greedy requests have one alone."""
    if "seed" not in body:
        return 0 if count else None
    firsts = (body["seed"] - draw_seed(request, 0, redraw) for redraw in range(REDRAWS))
    return next((first for first in firsts if 0 <= first < count), None)
