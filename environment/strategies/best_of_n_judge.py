"""Best of n with a model as judge (Zheng et al. 2023, arXiv 2306.05685)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from environment.prompt_template import PromptTemplate
from environment.side_by_side import side_by_side
from environment.strategies.best_of_n import BestOfN
from environment.strategy import Draw, StageRun
from storage.sample import GenerationRequest, Message, Sample, SamplingParameters
from tools.space import Subtask
from tools.token_use import Call, samples_alone

PROMPT = PromptTemplate(Path(__file__).parent / "prompts" / "judge.j2")
GRADE = re.compile(r"(?<![\d.])(?:10|[0-9])(?:\.\d{1,6})?(?![\d.]*\d)", re.ASCII)
MAX_TOKENS = 8
UNGRADED = -1.0
GRADE_TOKENS = 2
INSTRUCTION_TOKENS = 64
"""About the lengths of a grade and of what the judge's prompt says around request and response."""


@runtime_checkable
class AsksJudge(Protocol):
    """A stage with a judge's prompt of its own; others show the judge their prompt and the response."""

    def judge_messages(self, example: Any, upstream: Mapping[str, Any], response: str) -> tuple[Message, ...]:
        """The prompt that asks for a response's grade, a number from 0 to 10."""
        ...


class BestOfNJudge(BestOfN):
    """Rates by the grades of a judge: the model that a stage names as `judge_model`, else its own.

    Each response is graded once, greedily, on its own; the first number in the judge's reply is the
    grade, and a reply without one is the lowest. Equal responses share one grading.
    """

    name = "best-of-n-judge"

    async def ratings(
        self, run: StageRun, samples: Sequence[Sample], outputs: Sequence[Any], draw: Draw
    ) -> Sequence[float]:
        model = getattr(run.stage, "judge_model", "") or run.model
        texts = list(dict.fromkeys(sample.text for sample in samples))
        grades = await side_by_side(_grade(run, model, text, draw) for text in texts)
        grade_of = dict(zip(texts, grades, strict=True))
        return [grade_of[sample.text] for sample in samples]


async def _grade(run: StageRun, model: str, response: str, draw: Draw) -> float:
    sampling = SamplingParameters(temperature=0.0, max_tokens=MAX_TOKENS)
    (reply,) = await draw(GenerationRequest(model, judge_messages(run, response), sampling), 1)
    return grade_in(reply.text)


def judge_messages(run: StageRun, response: str) -> tuple[Message, ...]:
    """The stage's own judge prompt, or the general one."""
    stage = run.stage
    if isinstance(stage, AsksJudge):
        return stage.judge_messages(run.example, run.upstream, response)
    return PROMPT.render(messages=stage.messages(run.example, run.upstream), response=response)


def grade_in(reply: str) -> float:
    """The first number from 0 to 10 in a judge's reply, UNGRADED where there is none."""
    found = GRADE.search(reply)
    return min(10.0, float(found[0])) if found else UNGRADED


def judge_tokens(subtask: Subtask, samples: int) -> Sequence[Call]:
    """The samples, and where there are several the grading of each; a judge counts as the choice's model."""
    drawn = samples_alone(subtask, samples)
    if samples == 1:
        return drawn
    shown = subtask.prompt_tokens + subtask.generation_tokens + INSTRUCTION_TOKENS
    return (*drawn, Call(shown, GRADE_TOKENS, requests=samples))
