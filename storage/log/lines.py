"""What each kind of line in a log holds, checked where a log comes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat

from storage.fault import FaultKind
from storage.schema import LONGEST_ENDPOINT, LONGEST_MODEL
from tools.text import unstorable_in

FORMAT = "agenttts-log"
VERSION = 1
"""Raised whenever a line holds something else than before; a reader knows all versions up to its own."""
MOST = 2**31 - 1
"""The largest whole number that every database holds."""


def _storable(value: Any) -> Any:
    if found := unstorable_in(value):
        raise ValueError(f"holds the character {found}, which cannot be stored")
    return value


Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, le=MOST)]
LargeCount = Annotated[int, Field(ge=0, le=2**63 - 1)]
Batch = Annotated[int, Field(ge=-1, le=MOST)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Plain = Annotated[dict[str, Any], AfterValidator(_storable)]
Draws = dict[Sha256, Annotated[int, Field(ge=1, le=MOST)]]


class Part(BaseModel):
    """A part of a line: no member too many, none of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Line(Part):
    """What every line has: its place, its kind and its hash; the chain has checked them."""

    n: int
    kind: str
    hash: str


class Software(Part):
    """What a session was made with."""

    agenttts: Text
    python: Text
    platform: Text
    packages: dict[Name, Text] = Field(max_length=1000)


class HeaderLine(Line):
    """The first line. `samples` says whether the log holds the samples or only their digests."""

    format: Literal["agenttts-log"]
    version: int
    samples: Literal["digests", "texts"]
    made_with: Software | None


class ModelValues(Part):
    """A candidate model; see tools.space.Model."""

    name: Name
    parameters: FiniteFloat
    prompt_price: FiniteFloat | None
    generation_price: FiniteFloat | None
    endpoint: Text | None
    cached_prompt_price: FiniteFloat | None
    layers: int | None
    hidden_size: int | None
    kv_size: int | None


class SubtaskValues(Part):
    """A subtask with its candidates; see tools.space.Subtask."""

    name: Name
    models: list[ModelValues] = Field(min_length=1, max_length=1000)
    prompt_tokens: FiniteFloat
    generation_tokens: FiniteFloat
    strategies: list[Name] = Field(max_length=1000)
    temperatures: list[FiniteFloat] = Field(max_length=1000)


class SpaceValues(Part):
    """A search space; `max_samples` or `sample_counts`."""

    subtasks: list[SubtaskValues] = Field(min_length=1, max_length=100)
    max_samples: Count | None = None
    sample_counts: list[Count] | None = None


class ProblemValues(Part):
    """What the searcher was told, but for the costs and limits, which the configuration holds."""

    task: Text
    description: Text
    metrics: dict[Name, Text]
    space: SpaceValues


class CapValues(Part):
    """A limit on a further cost."""

    cost: Name
    settings: Plain
    limit: FiniteFloat


class SessionLine(Line):
    """Which session it is, how it was configured and what was searched."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{1,32}$")]
    created: Text
    config: Plain
    problem: ProblemValues


class ChoiceValues(Part):
    """A model and a number of samples; see tools.space.Choice."""

    model: Name
    samples: Annotated[int, Field(ge=1, le=MOST)]
    strategy: Name | None = None
    temperature: FiniteFloat | None = None


class TrialLine(Line):
    """A decision of the searcher."""

    number: Count
    batch: Count
    allocation: dict[Name, ChoiceValues]
    cost: FiniteFloat
    origin: Text
    reason: Text


class StageValues(Part):
    """A subtask's score with the value of every example."""

    metric: Name | Literal[""]
    mean: FiniteFloat
    per_example: list[FiniteFloat]


class UsageValues(Part):
    """See tools.trial.Usage."""

    requested: Count = 0
    fresh: Count = 0
    paid: Count = 0
    prompt_tokens: Count = 0
    generation_tokens: Count = 0


class ScoreLine(Line):
    """What became of the trial in the line before. `draws` is null where it was not stored."""

    trial: Count
    state: Literal["complete", "failed"]
    score: FiniteFloat | None
    stages: dict[Name, StageValues]
    usage: UsageValues
    error: Text
    draws: Draws | None


class TranscriptLine(Line):
    """A call of the search agent's model; see storage.transcript.Transcript."""

    call: dict[str, Any]


class ToolCallValues(Part):
    """A function that the search agent's model wanted called."""

    id: str
    name: str
    arguments: str


class CallValues(Part):
    """The call in a transcript line."""

    batch: Batch
    attempt: Count
    purpose: str = Field(max_length=200)
    model: str
    messages: list[dict[str, Any]]
    answer: str
    prompt_tokens: Count = 0
    generation_tokens: Count = 0
    latency: FiniteFloat = 0.0
    accepted: bool = True
    problem: str = ""
    tool_calls: list[ToolCallValues] = Field(default_factory=list)
    prompt: str = ""
    context: Count | None = None


class GuidelineLine(Line):
    """What the searcher concluded after a batch."""

    batch: Batch
    text: Text
    origin: Text


class EvaluationLine(Line):
    """An allocation judged on a split."""

    label: Annotated[Text, Field(min_length=1, max_length=100)]
    split: Annotated[Text, Field(min_length=1, max_length=32)]
    allocation: dict[Name, ChoiceValues]
    cost: FiniteFloat
    stages: dict[Name, StageValues] = Field(min_length=1)
    draws: Draws | None


class RequestLine(Line):
    """The question that the next samples answer; only in logs that hold samples."""

    key: Sha256
    body: Plain


class SampleLine(Line):
    """One drawn sample: `sha256` is that of its content (storage.log.samples), which is there in logs with samples."""

    key: Sha256
    index: Count
    sha256: Sha256
    prompt_tokens: Count
    generation_tokens: Count


class WholeSampleLine(SampleLine):
    """A drawn sample with its content."""

    text: Text
    latency: FiniteFloat
    finish_reason: Annotated[Text, Field(max_length=64)]
    mean_logprob: FiniteFloat | None


class SpendingCapValues(Part):
    """See tools.spending.SpendingCaps; `deadline` in ISO 8601."""

    max_generations: int | None = None
    max_tokens: int | None = None
    max_dollars: FiniteFloat | None = None
    deadline: Text | None = None


class SpendingLine(Line):
    """What the session may spend and has spent, with what requests under way may come to."""

    caps: SpendingCapValues
    generations: LargeCount
    tokens: LargeCount
    picodollars: LargeCount


class FaultLine(Line):
    """What went wrong at an endpoint in one way, summed; see storage.fault.FaultSum."""

    endpoint: Annotated[Text, Field(max_length=LONGEST_ENDPOINT)]
    model: Annotated[Text, Field(max_length=LONGEST_MODEL)]
    fault: Annotated[str, Field(pattern=f"^({'|'.join(FaultKind)})$")]
    count: Count
    retried: Count
    waited: FiniteFloat
    lost_generations: LargeCount
    lost_prompt_tokens: LargeCount
    lost_generation_tokens: LargeCount
    lost_picodollars: LargeCount


class ResultLine(Line):
    """How the session stands. `recommended` is a trial's number, once it is decided."""

    state: Literal["running", "complete", "failed", "interrupted"]
    failure: Text
    recommended: Count | None


class EndLine(Line):
    """The last line."""

    count: int


KINDS: Mapping[str, type[Line]] = {
    "header": HeaderLine,
    "session": SessionLine,
    "trial": TrialLine,
    "score": ScoreLine,
    "transcript": TranscriptLine,
    "guideline": GuidelineLine,
    "evaluation": EvaluationLine,
    "request": RequestLine,
    "sample": SampleLine,
    "spending": SpendingLine,
    "fault": FaultLine,
    "result": ResultLine,
    "end": EndLine,
}
"""Each kind of line, in the order in which a log holds them; scores follow their trials, samples their request."""
