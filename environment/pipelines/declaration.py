"""What is declared of one stage in Python, and the stage that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict, get_type_hints

from environment.pipelines.assembly import TOKENS_OVER_TYPICAL, named_score
from environment.pipelines.parsers import PARSERS, Parser
from environment.pipelines.stage import Fuse, PipelineStage, Score, Verifier, Write
from environment.pipelines.votes import VOTES, Vote
from storage.sample import SamplingParameters
from tools.declared import described, misfit
from tools.errors import InvalidInput, UnknownName
from tools.text import shortened
from tools.validation import require_positive


class StageSettings(TypedDict, total=False):
    """One stage's settings; all but the token counts, which are typical ones, have defaults.

    `metric` is a name (METRICS), compared with the example's field `gold`, or a function
    score(output, example); all stages but the last may be without. `parse` and `vote` are names
    (PARSERS: text, first_line, lines, json; VOTES: majority, items, median, first) or functions
    parse(text, example) and vote(outputs). `fuse(example, upstream, responses)` writes a fusion
    prompt of its own; `verifier(output, example, upstream)` rates outputs for best-of-n. `models`
    names the candidates, by default all. A list of strategies or temperatures makes them part of the
    search. A sample has `max_tokens` at most, by default four times the typical length.
    """

    prompt_tokens: Required[float]
    generation_tokens: Required[float]
    metric: str | Score
    gold: str
    parse: str | Parser
    vote: str | Vote
    fuse: Fuse | None
    verifier: Verifier | None
    models: Sequence[str] | None
    strategy: str | Sequence[str] | None
    temperature: float | Sequence[float]
    max_tokens: int | None
    top_p: float
    stop: str | Sequence[str]


DEFAULT_TEMPERATURE = 0.9


def temperatures_of(name: str, settings: StageSettings) -> tuple[float, ...]:
    """The stage's temperatures, the usual one first. Raises InvalidInput where none is named."""
    given = settings.get("temperature", DEFAULT_TEMPERATURE)
    listed = (float(given),) if isinstance(given, int | float) else tuple(given)
    if not listed:
        raise InvalidInput(f"stage {name!r} temperature", "must name at least one")
    return listed


def declared_stage(name: str, write: Write, settings: StageSettings) -> PipelineStage:
    """The stage of a prompt function and its settings. Raises InvalidInput naming what is wrong."""
    if (found := misfit(get_type_hints(StageSettings), settings)) is not None:
        field, hint, value = found
        raise InvalidInput(f"stage {name!r} {field}", f"must be {described(hint)}, got {shortened(value)}")
    for field in ("prompt_tokens", "generation_tokens"):
        if field not in settings:
            raise InvalidInput(f"stage {name!r} {field}", "is missing; give the typical number of tokens")
    length = settings["generation_tokens"]
    require_positive(f"stage {name!r} generation_tokens", length)
    stop = settings.get("stop", ())
    metric, scoring = metric_of(f"stage {name!r}", settings.get("metric", ""), settings.get("gold", ""))
    return PipelineStage(
        name,
        write,
        _function(f"stage {name!r} parse", settings.get("parse", "text"), PARSERS),
        _function(f"stage {name!r} vote", settings.get("vote", "majority"), VOTES),
        SamplingParameters(
            temperatures_of(name, settings)[0],
            settings.get("max_tokens") or max(1, round(TOKENS_OVER_TYPICAL * length)),
            settings.get("top_p", 1.0),
            (stop,) if isinstance(stop, str) else tuple(stop),
        ),
        metric,
        scoring,
        settings.get("fuse"),
        settings.get("verifier"),
    )


def metric_of(owner: str, metric: str | Score, gold: str) -> tuple[str, Score | None]:
    """The metric's name and its function; "" and None where there is none."""
    if not isinstance(metric, str):
        return str(getattr(metric, "__name__", "score")), metric
    if not metric:
        return "", None
    if not gold:
        raise InvalidInput(f"{owner} gold", f"is missing: the examples' field that {metric!r} compares with")
    return metric, named_score(metric, gold)


def _function(field: str, given: Any, known: Mapping[str, Any]) -> Any:
    """A function as it is, or the one of a name."""
    if not isinstance(given, str):
        return given
    if given not in known:
        raise UnknownName(field, given, known)
    return known[given]
