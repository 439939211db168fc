"""The contract of a stage: one subtask's prompts, parser, vote and metric, and the examples it works on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from storage.sample import Message, SamplingParameters


class Example(Protocol):
    """One problem with its gold answer. `id` is stable: scores of two trials pair by it."""

    @property
    def id(self) -> str: ...


class Stage(ABC):
    """How one subtask is carried out on an example.

    Outputs are the stage's parsed answers (any hashable value): made by `parse` or `vote`, handed
    to later stages in `upstream` (subtask name to output) and judged by `score`. Pure throughout.
    An empty `metric` says that the stage has no score of its own, which all but the last may.
    """

    name: str
    metric: str
    sampling: SamplingParameters

    @abstractmethod
    def messages(self, example: Any, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        """The prompt of one sample."""

    @abstractmethod
    def fusion_messages(
        self, example: Any, upstream: Mapping[str, Any], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        """The prompt that shows the model its own responses and asks for one answer."""

    @abstractmethod
    def parse(self, text: str, example: Any) -> Any:
        """The output in a response. Model text is hostile: any text gives an output, no error."""

    @abstractmethod
    def vote(self, outputs: Sequence[Any]) -> Any:
        """The output that a majority of parsed outputs supports."""

    @abstractmethod
    def score(self, output: Any, example: Any) -> float:
        """The stage's metric for one example, in [0, 1]."""

    async def prepare(self, example: Any, upstream: Mapping[str, Any]) -> None:
        """Called before a strategy asks for prompts: what is slow in them is done here, off the event loop."""
        return

    async def judge(self, output: Any, example: Any) -> float:
        """`score` as the executor asks for it; where it is slow, it is computed off the event loop."""
        return self.score(output, example)
