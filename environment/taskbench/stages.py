"""The three stages of task automation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from environment.metrics import rouge_l, set_f1
from environment.prompt_template import PromptTemplate
from environment.stage import Stage
from environment.taskbench.example import AutomationExample, Call, Tool
from environment.taskbench.reading import read_calls, read_steps, read_tools
from environment.taskbench.votes import voted_calls, voted_steps, voted_tools
from storage.sample import Message, SamplingParameters

PROMPTS = Path(__file__).parent / "prompts"
DECOMPOSITION, SELECTION, PARAMETERS = "decomposition", "tool-selection", "parameter-prediction"
TEMPERATURE = 0.5
"""That of AgentTTS's released code for TaskBench; at 0.9 small models lose the form of the answer."""


class AutomationStage(Stage):
    """A stage whose prompt shows the request, tools and what earlier stages found."""

    def __init__(self, prompt: str, max_tokens: int, most: int, *, stop: tuple[str, ...] = ()) -> None:
        """`prompt` is a file of the prompts' folder; `most` bounds what is handed on of a response."""
        self.sampling = SamplingParameters(temperature=TEMPERATURE, max_tokens=max_tokens, stop=stop)
        self.most = most
        self._prompt = PromptTemplate(PROMPTS / prompt)

    def messages(self, example: AutomationExample, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        return self.fusion_messages(example, upstream, ())

    def fusion_messages(
        self, example: AutomationExample, upstream: Mapping[str, Any], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        steps = upstream.get(DECOMPOSITION, ())
        tools = self.tools(example, upstream)
        return self._prompt.render(request=example.request, steps=steps, tools=tools, responses=responses)

    @abstractmethod
    def tools(self, example: AutomationExample, upstream: Mapping[str, Any]) -> Sequence[Tool]:
        """The tools that the prompt shows."""


class DecompositionStage(AutomationStage):
    """Splits the request into steps. The output is their texts in order."""

    name = DECOMPOSITION
    metric = "ROUGE-L"

    def tools(self, example: AutomationExample, upstream: Mapping[str, Any]) -> Sequence[Tool]:
        return example.tools

    def parse(self, text: str, example: AutomationExample) -> tuple[str, ...]:
        """The steps in the response, from JSON or from lines."""
        return read_steps(text, self.most)

    def vote(self, outputs: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """The output that is most like the others."""
        return voted_steps(outputs)

    def score(self, output: tuple[str, ...], example: AutomationExample) -> float:
        """ROUGE-L F1 of all steps in one text."""
        return rouge_l("\n".join(output), "\n".join(example.steps))


class SelectionStage(AutomationStage):
    """Names the tools that the steps need. The output is their names in the order of mention."""

    name = SELECTION
    metric = "node F1"

    def tools(self, example: AutomationExample, upstream: Mapping[str, Any]) -> Sequence[Tool]:
        return example.tools

    def parse(self, text: str, example: AutomationExample) -> tuple[str, ...]:
        """The tools on offer that the response names or describes."""
        return read_tools(text, example.tools, self.most)

    def vote(self, outputs: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """The tools that at least half of the outputs name."""
        return voted_tools(outputs)

    def score(self, output: tuple[str, ...], example: AutomationExample) -> float:
        """F1 of the set of tools: one that is called twice counts once, as in TaskBench."""
        return set_f1(output, {call.tool for call in example.calls})


class ParameterStage(AutomationStage):
    """Calls the chosen tools with values of the request. The output is the calls in order."""

    name = PARAMETERS
    metric = "parameter F1"

    def tools(self, example: AutomationExample, upstream: Mapping[str, Any]) -> Sequence[Tool]:
        """The tools that selection chose."""
        offered = {tool.id: tool for tool in example.tools}
        return [offered[name] for name in upstream[SELECTION]]

    def parse(self, text: str, example: AutomationExample) -> tuple[Call, ...]:
        """The calls of tools on offer in the response, from JSON or written as code."""
        return read_calls(text, example.tools, self.most)

    def vote(self, outputs: Sequence[tuple[Call, ...]]) -> tuple[Call, ...]:
        """The arguments that at least half of the outputs give, each with its most frequent value."""
        return voted_calls(outputs)

    def score(self, output: tuple[Call, ...], example: AutomationExample) -> float:
        """F1 of (tool, parameter, value), each compared exactly (TaskBench's F1 of names and values)."""
        return set_f1(_triples(output), _triples(example.calls))


def _triples(calls: Sequence[Call]) -> set[tuple[str, str, str]]:
    return {(call.tool, argument.name, argument.value) for call in calls for argument in call.arguments}
