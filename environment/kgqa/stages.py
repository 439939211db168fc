"""The two stages of knowledge-graph question answering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from environment.answers import stated_answer, voted_answer
from environment.kgqa.answer_sets import answer_set_f1, separate_answers, set_match, single_match, voted_answers
from environment.kgqa.example import KgqaExample
from environment.metrics import set_f1
from environment.prompt_template import PromptTemplate
from environment.retrieval import copied_candidates, numbered_candidates, voted_candidates
from environment.stage import Stage
from storage.sample import Message, SamplingParameters
from tools.errors import UnknownName

PROMPTS = Path(__file__).parent / "prompts"
RETRIEVAL, QA = "retrieval", "qa"
METRICS = {"em": "EM", "set-em": "Set-EM", "set-f1": "Set-F1"}
"""The options of the task and the names of the metrics they mean."""


class TripleRetrievalStage(Stage):
    """Names the triples that are needed; the model copies them, which small models do best.

    The output is the positions of the chosen triples in the example, rising.
    """

    name = RETRIEVAL
    metric = "Ret-F1"
    prompt: ClassVar[Path] = PROMPTS / "retrieval.j2"

    def __init__(self, max_tokens: int, max_chosen: int) -> None:
        """`max_chosen` bounds what is handed on, so that copying everything is no strategy."""
        self.sampling = SamplingParameters(temperature=0.9, max_tokens=max_tokens, stop=("\n",))
        self.max_chosen = max_chosen
        self._prompt = PromptTemplate(self.prompt)

    def messages(self, example: KgqaExample, upstream: Mapping[str, object]) -> tuple[Message, ...]:
        return self.fusion_messages(example, upstream, ())

    def fusion_messages(
        self, example: KgqaExample, upstream: Mapping[str, object], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        return self._prompt.render(triples=example.candidates, question=example.question, responses=responses)

    def parse(self, text: str, example: KgqaExample) -> tuple[int, ...]:
        """The triples whose words stand in the response, the first mentioned up to the bound."""
        # Blanks around the bars get lost in copies; without them the words would run together.
        return copied_candidates(text.replace("|", " "), map(str, example.candidates), self.max_chosen)

    def vote(self, outputs: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """The triples that at least half of the samples chose, else the most chosen one."""
        return voted_candidates(outputs, self.max_chosen)

    def score(self, output: tuple[int, ...], example: KgqaExample) -> float:
        return set_f1(output, example.gold)


class NumberedTripleRetrievalStage(TripleRetrievalStage):
    """Names the triples by their numbers in the prompt, counted from 1: real ones are too long to copy."""

    prompt: ClassVar[Path] = PROMPTS / "numbered_retrieval.j2"

    def parse(self, text: str, example: KgqaExample) -> tuple[int, ...]:
        """The triples whose numbers stand in the response, the first mentioned up to the bound."""
        return numbered_candidates(text, len(example.candidates), self.max_chosen)


def qa_stage(metric: str, max_tokens: int) -> Stage:
    """The second stage, scored by one of METRICS. Raises UnknownName."""
    if metric not in METRICS:
        raise UnknownName("metric", metric, METRICS)
    return QaStage(max_tokens) if metric == "em" else SetQaStage(metric, max_tokens)


class QaStage(Stage):
    """Answers from the triples that retrieval chose. The output is the text of one answer."""

    name = QA
    metric = METRICS["em"]

    def __init__(self, max_tokens: int) -> None:
        self.sampling = SamplingParameters(temperature=0.9, max_tokens=max_tokens, stop=("\n",))
        self._prompt = PromptTemplate(PROMPTS / "qa.j2")

    def messages(self, example: KgqaExample, upstream: Mapping[str, tuple[int, ...]]) -> tuple[Message, ...]:
        return self.fusion_messages(example, upstream, ())

    def fusion_messages(
        self, example: KgqaExample, upstream: Mapping[str, tuple[int, ...]], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        return _render(self._prompt, example, upstream, responses)

    def parse(self, text: str, example: KgqaExample) -> str:
        """The first line that says anything, without an "Answer:" label and closing marks."""
        return stated_answer(text)

    def vote(self, outputs: Sequence[str]) -> str:
        """The most frequent answer after normalisation; the earliest among equals."""
        return voted_answer(outputs)

    def score(self, output: str, example: KgqaExample) -> float:
        return single_match(output, example.answers)


class SetQaStage(Stage):
    """Gives every answer that the chosen triples hold. The output is the answers' texts."""

    name = QA

    def __init__(self, metric: str, max_tokens: int) -> None:
        """`metric` is "set-em" or "set-f1"."""
        self.metric = METRICS[metric]
        self.sampling = SamplingParameters(temperature=0.9, max_tokens=max_tokens, stop=("\n",))
        self._score = set_match if metric == "set-em" else answer_set_f1
        self._prompt = PromptTemplate(PROMPTS / "set_qa.j2")

    def messages(self, example: KgqaExample, upstream: Mapping[str, tuple[int, ...]]) -> tuple[Message, ...]:
        return self.fusion_messages(example, upstream, ())

    def fusion_messages(
        self, example: KgqaExample, upstream: Mapping[str, tuple[int, ...]], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        return _render(self._prompt, example, upstream, responses)

    def parse(self, text: str, example: KgqaExample) -> tuple[str, ...]:
        """The answers between semicolons, each once."""
        return separate_answers(text)

    def vote(self, outputs: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """The answers that at least half of the samples gave, else the one given most."""
        return voted_answers(outputs)

    def score(self, output: tuple[str, ...], example: KgqaExample) -> float:
        return self._score(output, example.answers)


def _render(
    prompt: PromptTemplate, example: KgqaExample, upstream: Mapping[str, tuple[int, ...]], responses: Sequence[str]
) -> tuple[Message, ...]:
    triples = [example.candidates[position] for position in upstream[RETRIEVAL]]
    return prompt.render(triples=triples, question=example.question, responses=responses)
