"""A LangGraph graph as a pipeline that can be searched."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn, Unpack

from environment.graphs.runner import GraphRunner
from environment.pipelines.assembly import Part
from environment.pipelines.declaration import StageSettings, metric_of
from environment.pipelines.searchable import SearchablePipeline
from environment.pipelines.stage import PipelineStage, Score
from environment.pipelines.values import thawed
from environment.task import Task
from tools.errors import InvalidInput

RECURSION_LIMIT = 25
"""LangGraph's own default."""


class GraphPipeline(SearchablePipeline):
    """A compiled graph whose nodes sample through agenttts.

        pipeline = GraphPipeline("my-graph", graph, output="answer", metric="exact_match", gold="answer",
                                 models=[...], examples="questions.jsonl")
        pipeline.node("retrieve", prompt_tokens=256, generation_tokens=24)
        pipeline.node("answer", prompt_tokens=128, generation_tokens=6)

    The nodes are declared in the order in which they usually run. The final state's score stands
    under the last one; the others may have a metric of their own.
    """

    def __init__(
        self,
        name: str,
        graph: Any,
        *,
        output: str | Callable[[Any], Any],
        metric: str | Score,
        gold: str = "",
        make_input: Callable[[Any], Any] | None = None,
        recursion_limit: int = RECURSION_LIMIT,
        context: Any = None,
        **settings: Any,
    ) -> None:
        """`output` is a field of the final state or a function of it; `metric` and `gold` judge it.

        `make_input(example)` gives the graph's input, by default the example's fields. `context` is
        handed to the graph's runs. The other settings are SearchablePipeline's.
        """
        super().__init__(name, **settings)
        if not callable(getattr(graph, "ainvoke", None)):
            raise InvalidInput("graph", "must be a compiled graph: hand over builder.compile()")
        self.graph = graph
        self._output = output
        self._metric = metric_of(f"pipeline {name!r}", metric, gold)
        if self._metric[1] is None:
            raise InvalidInput(f"pipeline {name!r} metric", "is missing: what judges the final state")
        self._input = make_input or _fields
        self._recursion_limit = recursion_limit
        self._context = context
        self._deciding = [metric, gold, output, make_input, recursion_limit]
        channels = getattr(graph, "channels", {})
        if isinstance(output, str) and channels and output not in channels:
            known = [channel for channel in channels if not channel.startswith(("__", "branch:"))]
            raise InvalidInput("output", f"the graph's state has no {output!r}; it has: {', '.join(known)}")

    def node(self, name: str, **settings: Unpack[StageSettings]) -> None:
        """Declares a node that samples; the settings are those of StageSettings."""
        self.declare(name, _unused, settings)

    def task(self) -> Task:
        task = super().task()
        stages = [stage for stage in task.stages if isinstance(stage, PipelineStage)]
        make = partial(GraphRunner, self.graph, self._input, self._read, self._recursion_limit, self._context, stages)
        return replace(task, runner=make)

    @property
    def parts(self) -> Sequence[Part]:
        *inner, last = super().parts
        stage = last.stage
        if stage.metric:
            raise InvalidInput(
                f"node {stage.name!r} metric", "cannot stand: the last declared node carries the final state's score"
            )
        if not isinstance(stage, PipelineStage):
            raise InvalidInput(f"node {stage.name!r}", "must be declared with pipeline.node(...)")
        metric, scoring = self._metric
        return (*inner, replace(last, stage=replace(stage, metric=metric, scoring=scoring)))

    def deciding(self) -> Sequence[Any]:
        return [*self._deciding, *_sources(self.graph)]

    def _read(self, state: Any) -> Any:
        if callable(self._output):
            return self._output(state)
        return state.get(self._output) if isinstance(state, Mapping) else getattr(state, self._output)


def _fields(example: Any) -> dict[str, Any]:
    return {str(name): thawed(value) for name, value in example.items()}


def _unused(example: Any, upstream: Mapping[str, Any]) -> NoReturn:
    raise AssertionError("a node writes its own prompt")


def _sources(graph: Any) -> Sequence[Any]:
    """The functions of the graph's nodes, and of its subgraphs' nodes, by name."""
    found: list[Any] = []
    for name, node in sorted(getattr(graph, "nodes", {}).items()):
        bound = getattr(node, "bound", None)
        function = getattr(bound, "func", None) or getattr(bound, "afunc", None)
        found.append([name, function if inspect.isroutine(function) else None, _sources(bound)])
    return found
