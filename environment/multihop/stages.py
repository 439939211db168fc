"""The two stages of multi-hop question answering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from environment.answers import stated_answer, voted_answer
from environment.metrics import exact_match, normalise_answer, set_f1
from environment.multihop.example import MultihopExample
from environment.prompt_template import PromptTemplate
from environment.retrieval import copied_candidates, question_coverage, voted_candidates
from environment.stage import Stage
from storage.sample import Message, SamplingParameters

PROMPTS = Path(__file__).parent / "prompts"
RETRIEVAL, QA = "retrieval", "qa"


class RetrievalStage(Stage):
    """Names the passages that are needed; the model copies them, which small models do best.

    The output is the positions of the copied passages in the example, rising.
    """

    name = RETRIEVAL
    metric = "Ret-F1"
    prompt: ClassVar[Path] = PROMPTS / "retrieval.j2"

    def __init__(self, max_tokens: int, max_chosen: int, *, judge_model: str = "") -> None:
        """`max_chosen` bounds what is handed on, so that copying everything is no strategy.

        `judge_model` grades where a model judges; "" leaves it to the model that answered.
        """
        self.judge_model = judge_model
        self.sampling = SamplingParameters(temperature=0.9, max_tokens=max_tokens, stop=("\n",))
        self.max_chosen = max_chosen
        self._prompt = PromptTemplate(self.prompt)

    def messages(self, example: MultihopExample, upstream: Mapping[str, object]) -> tuple[Message, ...]:
        return self._prompt.render(passages=example.candidates, question=example.question, responses=())

    def fusion_messages(
        self, example: MultihopExample, upstream: Mapping[str, object], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        return self._prompt.render(passages=example.candidates, question=example.question, responses=responses)

    def revision_messages(
        self, example: MultihopExample, upstream: Mapping[str, object], response: str
    ) -> tuple[Message, ...]:
        """The last response as the one proposal; small models lose the task in a conversation about it."""
        return self.fusion_messages(example, upstream, [response])

    def parse(self, text: str, example: MultihopExample) -> tuple[int, ...]:
        """The passages whose words stand in the response, the first mentioned up to the bound."""
        return copied_candidates(text, example.candidates, self.max_chosen)

    def vote(self, outputs: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """The passages that at least half of the samples copied, else the most copied one."""
        return voted_candidates(outputs, self.max_chosen)

    def weighted_vote(self, outputs: Sequence[tuple[int, ...]], weights: Sequence[float]) -> tuple[int, ...]:
        """The vote, each output counted by its weight."""
        return voted_candidates(outputs, self.max_chosen, weights)

    def score(self, output: tuple[int, ...], example: MultihopExample) -> float:
        return set_f1(output, example.gold)

    def verifier(self, output: tuple[int, ...], example: MultihopExample, upstream: Mapping[str, object]) -> float:
        """The share of the question's words that stand in the chosen passages."""
        return question_coverage(example.question, [example.candidates[position] for position in output])


class QaStage(Stage):
    """Answers from the passages that retrieval chose. The output is the answer's text."""

    name = QA
    metric = "EM"

    def __init__(self, max_tokens: int, *, judge_model: str = "") -> None:
        """`judge_model` grades where a model judges; "" leaves it to the model that answered."""
        self.judge_model = judge_model
        self.sampling = SamplingParameters(temperature=0.9, max_tokens=max_tokens, stop=("\n",))
        self._prompt = PromptTemplate(PROMPTS / "qa.j2")

    def messages(self, example: MultihopExample, upstream: Mapping[str, tuple[int, ...]]) -> tuple[Message, ...]:
        return self.fusion_messages(example, upstream, ())

    def fusion_messages(
        self, example: MultihopExample, upstream: Mapping[str, tuple[int, ...]], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        passages = [example.candidates[position] for position in upstream[RETRIEVAL]]
        return self._prompt.render(passages=passages, question=example.question, responses=responses)

    def revision_messages(
        self, example: MultihopExample, upstream: Mapping[str, tuple[int, ...]], response: str
    ) -> tuple[Message, ...]:
        """The last answer as the one proposal; small models lose the task in a conversation about it."""
        return self.fusion_messages(example, upstream, [response])

    def parse(self, text: str, example: MultihopExample) -> str:
        """The first line that says anything, without an "Answer:" label and closing marks."""
        return stated_answer(text)

    def vote(self, outputs: Sequence[str]) -> str:
        """The most frequent answer after normalisation; the earliest among equals."""
        return voted_answer(outputs)

    def weighted_vote(self, outputs: Sequence[str], weights: Sequence[float]) -> str:
        """The vote, each output counted by its weight."""
        return voted_answer(outputs, weights)

    def score(self, output: str, example: MultihopExample) -> float:
        return exact_match(output, example.answers)

    def verifier(self, output: str, example: MultihopExample, upstream: Mapping[str, tuple[int, ...]]) -> float:
        """1 if the answer stands in the passages that it was to come from, else 0."""
        answer = normalise_answer(output)
        facts = " ".join(normalise_answer(example.candidates[position]) for position in upstream[RETRIEVAL])
        return float(bool(answer) and f" {answer} " in f" {facts} ")
