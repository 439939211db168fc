"""Puts a task together from the parts that a pipeline file or a Python pipeline declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from environment.live_task import live_cost
from environment.pipeline_task import Split
from environment.pipelines.metrics import METRICS, Metric
from environment.pipelines.sources import Source
from environment.pipelines.stage import Score
from environment.stage import Example, Stage
from environment.strategy import STRATEGIES
from environment.task import Task
from tools.cost import CostModel
from tools.errors import InvalidInput, UnknownName
from tools.limits import Cap
from tools.registry import check_options
from tools.space import Model, SearchSpace, Subtask
from tools.text import shortened
from tools.validation import is_count

TOKENS_OVER_TYPICAL = 4
"""A sample may grow to this many times its typical length where no bound is given."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stage, its candidate models and its typical tokens.

    The first of `strategies` and of `temperatures` is the usual one; where there are several, they
    are searched.
    """

    stage: Stage
    models: Sequence[Model]
    prompt_tokens: float
    generation_tokens: float
    strategies: Sequence[str]
    temperatures: Sequence[float] = ()

    def subtask(self) -> Subtask:
        """The stage as the search space sees it. Raises InvalidInput, UnknownName for a strategy."""
        for name in self.strategies:
            if name not in STRATEGIES.names():
                raise UnknownName(f"subtask {self.stage.name!r} strategy", name, STRATEGIES.names())
        return Subtask(
            self.stage.name,
            self.models,
            prompt_tokens=self.prompt_tokens,
            generation_tokens=self.generation_tokens,
            strategies=self.strategies if len(self.strategies) > 1 else (),
            temperatures=self.temperatures if len(self.temperatures) > 1 else (),
        )


def assemble(
    name: str,
    description: str,
    parts: Sequence[Part],
    split: Split,
    source: Source,
    *,
    max_samples: int = 100,
    sample_counts: Sequence[int] | None = None,
    cost: CostModel | None = None,
    budget: float | None = None,
    caps: Sequence[Cap] = (),
    digest: str = "",
) -> Task:
    """The task; its cost is by default the paper's unit, or that of the smallest model (live_cost)."""
    space = SearchSpace([part.subtask() for part in parts], max_samples, sample_counts=sample_counts)
    return Task(
        name=name,
        description=description,
        stages=tuple(part.stage for part in parts),
        space=space,
        cost=cost or live_cost([model for part in parts for model in part.models]),
        search_examples=split.search,
        held_out_examples=split.held_out,
        strategies={part.stage.name: part.strategies[0] for part in parts},
        connect=source.connect,
        recorded_from=source.recorded_from,
        budget=budget,
        caps=tuple(caps),
        digest=digest,
    )


def split_of(examples: Sequence[Example], search: int | None, held_out: int | None) -> Split:
    """The first `search` examples (by default half), and of the others `held_out` (by default all).

    Raises InvalidInput where a split would be empty or the examples do not suffice.
    """
    total = len(examples)
    if total < 2:
        raise InvalidInput("examples", f"are {total}; at least 2 are needed, one of them held out")
    wanted = total // 2 if search is None else search
    if not is_count(wanted) or wanted >= total:
        raise InvalidInput(
            "search", f"must be from 1 to {total - 1}, so that some are held out, got {shortened(wanted)}"
        )
    rest = total - wanted if held_out is None else held_out
    if not is_count(rest) or rest > total - wanted:
        raise InvalidInput("held_out", f"must be from 1 to {total - wanted}, the examples left, got {shortened(rest)}")
    return Split(examples[:wanted], examples[wanted : wanted + rest])


def named_score(metric: str, gold: str, options: Mapping[str, Any] | None = None) -> Score:
    """A metric by name against the field `gold` of an example.

    Raises UnknownName for the metric, InvalidInput for an option that it does not take.
    """
    function: Metric = METRICS.get(metric)
    check_options(f"metric {metric!r}", function, options or {}, given=("output", "gold"))
    chosen = dict(options or {})
    return lambda output, example: function(output, field_of(example, gold), **chosen)


def field_of(example: Any, name: str) -> Any:
    """A field of a row, or an attribute of another example."""
    return example[name] if isinstance(example, Mapping) else getattr(example, name)
