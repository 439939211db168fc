"""Runs trials of a simulated task, and counts the generations a real one would need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from environment.simulation import Simulation
from environment.task import SEARCH, Task
from environment.trial_runner import Outcome, TrialRunner
from tools.errors import InvalidInput
from tools.space import Allocation, Choice
from tools.trial import StageScore, Usage


@dataclass(frozen=True, slots=True)
class SimulatedExample:
    """A place in a split; what happens there, the simulation knows."""

    split: str
    number: int

    @property
    def id(self) -> str:
        """Stable: scores of two trials pair by it."""
        return f"simulated-{self.split}-{self.number}"


class SimulatedExecutor(TrialRunner):
    """Scores allocations on a task's simulation. Raises InvalidInput where the task has none."""

    def __init__(self, task: Task, budget: float, tried: Iterable[Allocation] = ()) -> None:
        """`tried` are the allocations that the session's earlier processes ran on the search examples."""
        if task.simulation is None:
            raise InvalidInput(f"task {task.name!r}", "is not simulated; its models must be run")
        self._task = task
        self._simulation: Simulation = task.simulation
        self._budget = budget
        self._usage = SimulatedUsage()
        examples: Any = task.examples(SEARCH)
        for allocation in tried:
            self._usage.of(allocation, examples)

    async def run(self, allocation: Allocation, examples: Sequence[Any]) -> Outcome:
        return self.evaluate(allocation, examples)

    def evaluate(self, allocation: Allocation, examples: Sequence[SimulatedExample]) -> Outcome:
        """As `run`, for callers without an event loop."""
        self._task.require_feasible(allocation, self._budget)
        splits = {split: self._simulation.scores(allocation, split) for split in {e.split for e in examples}}
        scores = {
            name: StageScore.of(metric, [splits[e.split][name].per_example[e.number] for e in examples])
            for name, metric in self._simulation.metrics.items()
        }
        return Outcome(scores, self._usage.of(allocation, examples))


class SimulatedUsage:
    """Counts what fusion would generate: S samples a stage, and a fusing call where S > 1.

    A stage's prompt is made by the choices before it, so that a trial that repeats these needs
    nothing anew but what it samples beyond the earlier ones. Nothing is paid. Trials of one split
    are taken to run on the same examples, as those of a session do.
    """

    def __init__(self) -> None:
        self._samples: dict[tuple[object, ...], int] = {}
        self._fused: set[tuple[object, ...]] = set()

    def of(self, allocation: Allocation, examples: Sequence[SimulatedExample]) -> Usage:
        """A trial's usage, given the trials counted before it."""
        sizes = Counter(example.split for example in examples)
        return sum((self._count(allocation, split, size) for split, size in sizes.items()), Usage())

    def _count(self, allocation: Allocation, split: str, examples: int) -> Usage:
        requested = fresh = 0
        upstream: tuple[Choice, ...] = ()
        for choice in allocation.values():
            key = (split, upstream, choice.model)
            known = self._samples.get(key, 0)
            self._samples[key] = max(known, choice.samples)
            requested += choice.samples
            fresh += max(0, choice.samples - known)
            if choice.samples > 1:
                fusion = (*key, choice.samples)
                requested += 1
                fresh += fusion not in self._fused
                self._fused.add(fusion)
            upstream = (*upstream, choice)
        return Usage(requested=requested * examples, fresh=fresh * examples)
