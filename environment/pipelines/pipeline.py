"""A pipeline of Python functions: one function writes the prompt of one stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from environment.pipelines.assembly import TOKENS_OVER_TYPICAL, Part, named_score
from environment.pipelines.parsers import PARSERS, Parser
from environment.pipelines.searchable import SearchablePipeline
from environment.pipelines.stage import Fuse, PipelineStage, Score, Write
from environment.pipelines.votes import VOTES, Vote
from environment.task import Stage
from storage.sample import SamplingParameters
from tools.errors import InvalidInput, UnknownName

W = TypeVar("W", bound=Write)


class Pipeline(SearchablePipeline):
    """Stages in the order in which they are declared.

    pipeline = Pipeline("my-rag", models=[...], examples="questions.jsonl")

    @pipeline.stage(prompt_tokens=256, generation_tokens=24, metric="exact_match", gold="answer")
    def answer(example, upstream):
        return f"Answer in one word: {example['question']}"
    """

    def stage(
        self,
        *,
        prompt_tokens: float,
        generation_tokens: float,
        metric: str | Score = "",
        gold: str = "",
        parse: str | Parser = "text",
        vote: str | Vote = "majority",
        fuse: Fuse | None = None,
        models: Sequence[str] | None = None,
        strategy: str | Sequence[str] | None = None,
        temperature: float | Sequence[float] = 0.9,
        max_tokens: int | None = None,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
    ) -> Callable[[W], W]:
        """Declares the function `write(example, upstream)` as the next stage, under its own name.

        It returns the prompt: a text or messages; `upstream` holds the earlier stages' outputs by
        name. The token counts are typical ones, which the cost model reads. `metric` is a name
        (METRICS), compared with the example's field `gold`, or a function (output, example); all
        stages but the last may be without. `parse` and `vote` are names (PARSERS, VOTES) or
        functions. A list of strategies or temperatures makes them part of the search. A sample has
        `max_tokens` at most, by default four times the typical length.
        """

        def declare(write: W) -> W:
            name = str(getattr(write, "__name__", ""))
            temperatures = (temperature,) if isinstance(temperature, int | float) else tuple(temperature)
            if not temperatures:
                raise InvalidInput(f"stage {name!r} temperature", "must name at least one")
            limit = max_tokens or round(TOKENS_OVER_TYPICAL * generation_tokens)
            stage = PipelineStage(
                name,
                write,
                _named(f"stage {name!r} parse", parse, PARSERS),
                _named(f"stage {name!r} vote", vote, VOTES),
                SamplingParameters(temperatures[0], limit, top_p, tuple(stop)),
                *_metric(name, metric, gold),
                fuse,
            )
            chosen = self.chosen_models(models), prompt_tokens, generation_tokens, self.chosen_strategies(strategy)
            self.append(Part(stage, *chosen, temperatures), write, parse, vote, metric, gold, fuse, stage.sampling)
            return write

        return declare

    def add(
        self,
        stage: Stage,
        *,
        prompt_tokens: float,
        generation_tokens: float,
        models: Sequence[str] | None = None,
        strategy: str | Sequence[str] | None = None,
    ) -> None:
        """Adds a stage of a class of its own as the next one."""
        kind = type(stage)
        methods = [getattr(kind, name) for name in ("messages", "fusion_messages", "parse", "vote", "score")]
        chosen = self.chosen_models(models), prompt_tokens, generation_tokens, self.chosen_strategies(strategy)
        self.append(Part(stage, *chosen), *methods, stage.metric, stage.sampling)


def _named(field: str, given: Any, known: Any) -> Any:
    """A function as it is, or the one registered under a name."""
    if not isinstance(given, str):
        return given
    if given not in known:
        raise UnknownName(field, given, known)
    return known[given]


def _metric(stage: str, metric: str | Score, gold: str) -> tuple[str, Score | None]:
    """The metric's name and its function."""
    if not isinstance(metric, str):
        return str(getattr(metric, "__name__", "score")), metric
    if not metric:
        return "", None
    if not gold:
        raise InvalidInput(f"stage {stage!r} gold", f"is missing: the examples' field for {metric!r}")
    return metric, named_score(metric, gold)
