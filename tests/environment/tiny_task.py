"""A two-stage task without a model: its backend is a function of the request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from environment.backend import Backend, Receiver
from environment.stage import Stage
from environment.task import Task
from storage.sample import GenerationRequest, Message, Sample, SamplingParameters
from tools.flops import FlopsCost
from tools.space import Model, SearchSpace, Subtask


class Example:
    def __init__(self, number: int) -> None:
        self.id = f"example-{number}"
        self.number = number


class EchoStage(Stage):
    """Asks for a digit; right when it equals the example's number."""

    metric = "accuracy"
    sampling = SamplingParameters(temperature=0.9, max_tokens=4)

    def __init__(self, name: str) -> None:
        self.name = name

    def messages(self, example: Any, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        return (Message("user", f"{self.name} {example.number} {sorted(upstream.items())}"),)

    def fusion_messages(
        self, example: Any, upstream: Mapping[str, Any], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        (message,) = self.messages(example, upstream)
        return (Message("user", f"{message.content} of {' '.join(responses)}"),)

    def parse(self, text: str, example: Any) -> str:
        return text.strip()

    def vote(self, outputs: Sequence[str]) -> str:
        return max(outputs, key=list(outputs).count)

    def score(self, output: str, example: Any) -> float:
        return float(output == str(example.number))


class CountingBackend:
    """Writes the sample's index as text, and remembers every sample it was paid for."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        await asyncio.sleep(0)
        self.made.extend((request.key, index) for index in indices)
        for index in indices:
            prompt_tokens = 5 if index == 0 else 0
            await receiver.deliver({index: Sample(str(index), prompt_tokens, generation_tokens=1)})

    async def aclose(self) -> None: ...


def tiny_task(backend: Backend, *, strategy: str = "fusion", examples: int = 4) -> Task:
    models = [Model("small", 3e9), Model("large", 30e9)]
    stages = [EchoStage("first"), EchoStage("second")]
    space = SearchSpace([Subtask(s.name, models, prompt_tokens=128, generation_tokens=64) for s in stages], 8)
    numbered = [Example(number) for number in range(2 * examples)]
    return Task(
        name="tiny",
        description="Say a digit.",
        stages=tuple(stages),
        space=space,
        cost=FlopsCost(),
        search_examples=numbered[:examples],
        held_out_examples=numbered[examples:],
        strategies={stage.name: strategy for stage in stages},
        connect=lambda: {model.name: backend for model in models},
    )
