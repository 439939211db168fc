"""What a pipeline file may hold, field by field."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

SIZE = re.compile(r"^([0-9]*\.?[0-9]+(?:[eE]\+?[0-9]+)?)\s*([KMBT]?)$", re.IGNORECASE)
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


def _size(value: Any) -> Any:
    """A number of weights, also written as 7B or 134.5M."""
    match = SIZE.match(value.strip()) if isinstance(value, str) else None
    return float(match[1]) * UNITS[match[2].lower()] if match else value


def _listed(value: Any) -> Any:
    """One value as a list of it."""
    return value if isinstance(value, list) else [value]


def _named(value: Any) -> Any:
    """A name alone as the object that holds it."""
    return {"name": value} if isinstance(value, str) else value


class Strict(BaseModel):
    """Unknown fields are mistakes; numbers in quotes and yes/no for numbers are too."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Text = Annotated[str, StringConstraints(min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class EndpointSpec(Strict):
    """How a server is reached and driven."""

    url: Text = Field(description="the server's base URL, such as http://127.0.0.1:8080/v1")
    key_env: str = Field(
        default="", description="the NAME of the environment variable that holds the key, never the key"
    )
    concurrency: Count = Field(default=8, description="requests under way at once")
    timeout: Positive = Field(default=900.0, description="seconds that one request may take")
    max_attempts: Count = Field(default=8, description="how often a request is tried")
    max_choices: Count | None = Field(default=None, description="the most choices of one request")
    unanswered: str = Field(
        default="empty", description="`empty` or `fail`, for prompts that no answer is to be had for"
    )
    api_version: str = Field(default="", description="the version of Azure's API, for its deployments")
    headers: dict[str, str] = Field(default={}, description="further headers of every request, never keys")


class ModelSpec(Strict):
    """A candidate model."""

    name: Text = Field(description="the model's name as its server knows it")
    parameters: Annotated[Positive, BeforeValidator(_size)] = Field(
        description="the number of weights, such as 7B or 134.5M"
    )
    endpoint: Text | None = Field(default=None, description="a URL, or a name under `endpoints`")
    prompt_price: Price | None = Field(default=None, description="dollars per 1M prompt tokens")
    generation_price: Price | None = Field(default=None, description="dollars per 1M generated tokens")
    cached_prompt_price: Price | None = Field(default=None, description="dollars per 1M cached prompt tokens")
    layers: Count | None = Field(default=None, description="the number of layers, for costs that count attention")
    hidden_size: Count | None = Field(default=None, description="the width of the residual stream")
    kv_size: Count | None = Field(default=None, description="key-value heads times head size")


class DatasetSpec(Strict):
    """The examples."""

    file: Text = Field(description="a .jsonl, .json or .csv file, beside the pipeline file")
    search: Count | None = Field(default=None, description="how many examples judge trials; by default half")
    held_out: Count | None = Field(default=None, description="how many of the others judge the result; by default all")
    shuffle: int | None = Field(default=None, description="a seed that draws the examples' order before they are split")
    json_fields: list[Text] = Field(default=[], description="CSV columns whose cells hold JSON, such as lists")


class ParserSpec(Strict):
    """How the output is read from a response."""

    name: Text | None = Field(default=None, description="text, first_line, lines, json, or MODULE:FUNCTION")
    regex: Text | None = Field(default=None, description="a regular expression")
    group: int | str | None = Field(default=None, description="the group of the regex; by default the first")
    json_path: Text | None = Field(default=None, description="a JSONPath such as $.answer")
    candidates: Text | None = Field(default=None, description="the example's field that lists the candidates")
    at_most: Count | None = Field(default=None, description="the most candidates to pick")
    all: bool = Field(default=False, description="whether every find is taken, as a list")

    @model_validator(mode="after")
    def _one_kind(self) -> ParserSpec:
        kinds = {"name": self.name, "regex": self.regex, "json_path": self.json_path, "candidates": self.candidates}
        given = [kind for kind, value in kinds.items() if value is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of {', '.join(kinds)}; has {' and '.join(given) or 'none'}")
        for option, value, kinds_with in (
            ("group", self.group, {"regex"}),
            ("at_most", self.at_most, {"candidates"}),
            ("all", self.all or None, {"regex", "json_path"}),
        ):
            if value is not None and given[0] not in kinds_with:
                raise ValueError(f"{option} goes with {' or '.join(sorted(kinds_with))}, not with {given[0]}")
        return self


class VoteSpec(Strict):
    """Which output several samples support."""

    name: Text = Field(description="majority, items, median, first, or MODULE:FUNCTION")
    at_most: Count | None = Field(default=None, description="the most items that are kept, for items")

    @model_validator(mode="after")
    def _bounded_items(self) -> VoteSpec:
        if self.at_most is not None and self.name != "items":
            raise ValueError(f"at_most goes with items, not with {self.name}")
        return self


class MetricSpec(Strict):
    """How an output is judged."""

    name: Text = Field(description="a metric's name, or MODULE:FUNCTION of (output, gold)")
    gold: Text | None = Field(default=None, description="the example's field that holds the right answer")
    options: dict[str, Any] = Field(default={}, description="the metric's own options")


class SamplingSpec(Strict):
    """How the model draws."""

    temperature: Annotated[list[Annotated[float, Field(ge=0, le=2)]], BeforeValidator(_listed), Field(min_length=1)] = (
        Field(default=[0.9], description="from 0 to 2; a list makes it part of the search")
    )
    max_tokens: Count | None = Field(
        default=None, description="the longest sample; by default 4 times generation_tokens"
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="the share of probability that is drawn from"
    )
    stop: Annotated[list[Text], BeforeValidator(_listed)] = Field(default=[], description="texts that end a sample")


Strategies = Annotated[list[Text], BeforeValidator(_listed), Field(min_length=1)]


class SubtaskSpec(Strict):
    """One stage."""

    name: Name = Field(description="letters, digits and _, since prompts say upstream.NAME")
    models: Annotated[list[Text], Field(min_length=1)] | None = Field(
        default=None, description="the candidates' names; by default every model"
    )
    prompt: Text | None = Field(default=None, description="the prompt's template")
    prompt_file: Text | None = Field(default=None, description="the file of the prompt's template")
    fusion_prompt: Text | None = Field(
        default=None, description="the template that shows the responses and asks for one"
    )
    fusion_prompt_file: Text | None = Field(default=None, description="the file of that template")
    prompt_tokens: Positive = Field(description="the typical length of the prompt in tokens")
    generation_tokens: Positive = Field(description="the typical length of a response in tokens")
    parser: Annotated[ParserSpec, BeforeValidator(_named)] = Field(
        default=ParserSpec(name="text"), description="how the output is read from a response"
    )
    metric: Annotated[MetricSpec, BeforeValidator(_named)] | None = Field(
        default=None, description="how the output is judged; the last subtask needs one"
    )
    vote: Annotated[VoteSpec, BeforeValidator(_named)] = Field(
        default=VoteSpec(name="majority"), description="which output several samples support"
    )
    verifier: Text | None = Field(
        default=None, description="MODULE:FUNCTION of (output, example, upstream) that rates outputs for best-of-n"
    )
    strategy: Strategies | None = Field(default=None, description="a strategy; a list makes it part of the search")
    sampling: SamplingSpec = Field(default=SamplingSpec(), description="how samples are drawn")

    @model_validator(mode="after")
    def _one_source_each(self) -> SubtaskSpec:
        if (self.prompt is None) == (self.prompt_file is None):
            raise ValueError("needs either prompt or prompt_file")
        if self.fusion_prompt is not None and self.fusion_prompt_file is not None:
            raise ValueError("has both fusion_prompt and fusion_prompt_file; keep one")
        return self


class CostSpec(BaseModel):
    """A cost model by name; its settings stand beside the name."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Text = Field(description="flops, price, or another cost model")


class ChoiceSpec(Strict):
    """What an allocation says of one subtask."""

    model: Text = Field(description="a candidate's name")
    samples: Count = Field(description="the number of samples")
    strategy: Text | None = Field(default=None, description="one of the subtask's strategies, where they are searched")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None, description="one of the subtask's temperatures, where they are searched"
    )


class PipelineSpec(Strict):
    """A whole pipeline file."""

    version: Literal[1] = Field(default=1, description="the form of this file: 1")
    name: Text | None = Field(default=None, description="the pipeline's name; by default the file's")
    description: str = Field(default="", description="what the pipeline does, for language models that search")
    endpoints: dict[str, EndpointSpec] = Field(default={}, description="servers by name")
    models: Annotated[list[ModelSpec], Field(min_length=1)] = Field(description="the candidate models")
    recording: Text | None = Field(default=None, description="recorded generations in place of endpoints")
    dataset: DatasetSpec = Field(description="the examples")
    subtasks: Annotated[list[SubtaskSpec], Field(min_length=1)] = Field(description="the stages in their order")
    strategy: Strategies = Field(default=["fusion"], description="the strategy of every subtask that names none")
    max_samples: Count | None = Field(default=None, description="the most samples of a subtask; by default 100")
    sample_counts: Annotated[list[Count], Field(min_length=1)] | None = Field(
        default=None, description="the allowed numbers of samples, in place of max_samples"
    )
    budget: Positive | None = Field(default=None, description="the budget in the cost model's unit")
    caps: dict[str, Positive] = Field(default={}, description="the most of further costs, such as {price: 0.01}")
    cost: Annotated[CostSpec, BeforeValidator(_named)] | None = Field(default=None, description="the cost model")
    allocation: dict[str, ChoiceSpec] | None = Field(
        default=None, description="the choice of every subtask with which the pipeline works, as exported"
    )
