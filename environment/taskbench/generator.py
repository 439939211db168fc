"""Self-made requests over a fictional tool graph, with their steps, calls and links known."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from typing import TypeVar

import numpy as np

from environment.taskbench.catalogue import JOININGS, KINDS, OPENINGS, SHOWN, WORDS, ToolKind
from environment.taskbench.example import Argument, AutomationExample, Call, Tool
from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import is_count

Picked = TypeVar("Picked")
FEWEST_CANDIDATES = 4
STRUCTURES = ("single", "pair", "feed", "triple", "feed-and-other", "graph")
"""The shapes of requests, in turn: 1, 2, 2, 3, 3 and 3 tools; a feed is a call that needs a result."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """The tool `target` can take what `source` gives as its `parameter`; both are positions."""

    source: int
    target: int
    parameter: str


@dataclass(frozen=True)
class ToolGraph:
    """Tools and which can feed which. `kinds[i]` is what `tools[i]` was drawn from."""

    kinds: tuple[ToolKind, ...]
    tools: tuple[Tool, ...]
    dependencies: tuple[Dependency, ...]

    @cached_property
    def pairs(self) -> tuple[tuple[Dependency, Dependency], ...]:
        """Dependencies that join three tools into a chain, a fork or a join."""
        return tuple(
            (one, other)
            for one, other in itertools.combinations(self.dependencies, 2)
            if len({one.source, one.target, other.source, other.target}) == 3
            and (one.target, one.parameter) != (other.target, other.parameter)
        )


def generate_tool_graph(seed: int) -> ToolGraph:
    """The graph of a seed: every kind of tool once, under one of its names, in a drawn order."""
    rng = np.random.default_rng(seed)
    kinds = tuple(KINDS[int(position)] for position in rng.permutation(len(KINDS)))
    tools = tuple(Tool(_pick(rng, kind.ids), kind.description, tuple(kind.parameters)) for kind in kinds)
    dependencies = tuple(
        Dependency(source, target, parameter)
        for source, giver in enumerate(kinds)
        for target, taker in enumerate(kinds)
        for parameter, needed in taker.parameters.items()
        if source != target and giver.gives == needed
    )
    return ToolGraph(kinds, tools, dependencies)


def generate_examples(count: int, seed: int, *, candidates: int = 6) -> list[AutomationExample]:
    """`count` different requests of one to three tools, their structures in turn.

    Each offers `candidates` shuffled tools: the needed ones, then neighbours of these in the
    graph, then any. The same arguments give the same examples, and a longer list starts with a
    shorter one. Raises InvalidInput.
    """
    if not is_count(count):
        raise InvalidInput("count", f"must be a whole number of 1 or more, got {shortened(count)}")
    if not is_count(candidates) or not FEWEST_CANDIDATES <= candidates <= len(KINDS):
        raise InvalidInput(
            "candidates", f"must be from {FEWEST_CANDIDATES} to {len(KINDS)}, got {shortened(candidates)}"
        )
    graph = generate_tool_graph(seed)
    examples: list[AutomationExample] = []
    asked: set[str] = set()
    for number in range(count):
        structure = STRUCTURES[number % len(STRUCTURES)]
        drafts = (
            _Draft(graph, np.random.default_rng([seed, number, retry])).example(structure, candidates)
            for retry in itertools.count()
        )
        examples.append(next(draft for draft in drafts if draft.request not in asked))
        asked.add(examples[-1].request)
    return examples


class _Draft:
    """One request in the making."""

    def __init__(self, graph: ToolGraph, rng: np.random.Generator) -> None:
        self._graph = graph
        self._rng = rng

    def example(self, structure: str, candidates: int) -> AutomationExample:
        chosen, feeds = self._plan(structure)
        clauses, steps, calls = [], [], []
        for position in chosen:
            kind, tool = self._graph.kinds[position], self._graph.tools[position]
            sources = {feed.parameter: feed.source for feed in feeds if feed.target == position}
            values, shown = self._values(kind, sources)
            clauses.append(_pick(self._rng, kind.clauses).format(**shown))
            steps.append(kind.step.format(**shown))
            calls.append(Call(tool.id, tuple(Argument(name, value) for name, value in values.items())))
        joined = _pick(self._rng, JOININGS[len(chosen)]).format(*clauses)
        opening = _pick(self._rng, OPENINGS)
        request = opening + joined if opening else joined[0].upper() + joined[1:]
        request += "?" if opening.startswith("Could") else "."
        tools = self._offered(chosen, candidates)
        digest = hashlib.sha256("\n".join([request, *(tool.id for tool in tools)]).encode()).hexdigest()
        names = self._graph.tools
        links = tuple((names[feed.source].id, names[feed.target].id) for feed in feeds)
        return AutomationExample(f"automation-{digest[:12]}", request, tuple(steps), tuple(calls), links, tools)

    def _plan(self, structure: str) -> tuple[list[int], list[Dependency]]:
        """The tools in order of execution, and which of them feed which."""
        if structure in ("single", "pair", "triple"):
            size = {"single": 1, "pair": 2, "triple": 3}[structure]
            return [int(i) for i in self._rng.choice(len(self._graph.tools), size=size, replace=False)], []
        if structure == "graph":
            both = _pick(self._rng, self._graph.pairs)
            return _ordered(both), list(both)
        feed = _pick(self._rng, self._graph.dependencies)
        if structure == "feed":
            return [feed.source, feed.target], [feed]
        others = [i for i in range(len(self._graph.tools)) if i not in (feed.source, feed.target)]
        other = int(self._rng.choice(others))
        return [feed.source, feed.target, other], [feed]

    def _values(self, kind: ToolKind, sources: dict[str, int]) -> tuple[dict[str, str], dict[str, str]]:
        """Each parameter's gold value, and how the request shows it."""
        values, shown = {}, {}
        for name, type_ in kind.parameters.items():
            if name in sources:
                values[name] = self._graph.tools[sources[name]].id
                shown[name] = self._graph.kinds[sources[name]].result
            else:
                values[name] = _pick(self._rng, WORDS[type_])
                shown[name] = SHOWN.get(type_, "{}").format(values[name])
        return values, shown

    def _offered(self, chosen: list[int], candidates: int) -> tuple[Tool, ...]:
        near = {p for d in self._graph.dependencies for p in (d.source, d.target) if {d.source, d.target} & {*chosen}}
        others = [int(p) for p in self._rng.permutation(len(self._graph.tools)) if p not in chosen]
        others.sort(key=lambda p: p not in near)
        offered = [*chosen, *others][:candidates]
        return tuple(self._graph.tools[offered[int(i)]] for i in self._rng.permutation(len(offered)))


def _ordered(dependencies: Iterable[Dependency]) -> list[int]:
    """The tools of dependencies, every source before its targets."""
    sources: dict[int, set[int]] = {}
    for dependency in dependencies:
        sources.setdefault(dependency.source, set())
        sources.setdefault(dependency.target, set()).add(dependency.source)
    return list(TopologicalSorter(sources).static_order())


def _pick(rng: np.random.Generator, options: Sequence[Picked]) -> Picked:
    return options[int(rng.integers(len(options)))]
