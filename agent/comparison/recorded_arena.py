"""An arena on recorded generations: every allocation is run once a process, by the real executor."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.comparison.arena import RECORDED, Arena, Scorer
from environment.executor import Executor
from environment.memory_store import MemoryStore
from environment.sampler import Sampler
from environment.simulation import Optimum
from environment.stage_memory import StageMemory
from environment.task import HELD_OUT, SEARCH, Task
from environment.trial_runner import Outcome
from tools.cost_table import CostTable
from tools.errors import InvalidInput
from tools.limits import Limits
from tools.space import Allocation
from tools.trial import StageScore, Usage


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an allocation scored on a split, and how many samples of which request it drew."""

    stage_scores: Mapping[str, StageScore]
    drawn: Mapping[str, int]

    @property
    def score(self) -> float:
        """The main metric: the last stage's mean."""
        return list(self.stage_scores.values())[-1].mean


class RecordedArena(Arena):
    """A recorded task. The truth is the mean of the held-out examples, the oracle the best one of the grid.

    So the true score equals the held-out score, and the oracle, a maximum of means over few
    examples, lies above what any allocation would score on new examples: a bound, not a promise.
    """

    source = RECORDED

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.truth = (
            f"the mean score on the {len(task.held_out_examples)} held-out examples; "
            "the oracle is the best such mean of the recorded grid"
        )
        self._samples = MemoryStore()
        self._memory = StageMemory()
        self._evaluated: dict[tuple[Allocation, str], Evaluated] = {}

    def scorer(self, budget: float) -> Scorer:
        counted = RunUsage()

        def score(allocation: Allocation) -> Outcome:
            self.task.require_feasible(allocation, budget)
            found = self._evaluate([allocation], SEARCH)[0]
            return Outcome(found.stage_scores, counted.of(found.drawn))

        return score

    def true_score(self, allocation: Allocation) -> float:
        return self._evaluate([allocation], HELD_OUT)[0].score

    def held_out_score(self, allocation: Allocation) -> float:
        return self.true_score(allocation)

    def _find_oracle(self, budget: float) -> Optimum:
        table = CostTable(self.task.space, Limits(budget, self.task.cost))
        picks = np.array(list(table.fitting()))
        if not len(picks):
            raise InvalidInput("budget", f"{budget:,.6g} {self.task.cost.unit} fits no allocation")
        fitting = [Allocation(table.chosen(pick)) for pick in picks]
        scores = [found.score for found in self._evaluate(fitting, HELD_OUT)]
        price = table.totals(picks).tolist()
        best = min(range(len(fitting)), key=lambda i: (-scores[i], price[i]))
        return Optimum(fitting[best], scores[best], price[best])

    def _evaluate(self, allocations: Sequence[Allocation], split: str) -> list[Evaluated]:
        missing = [allocation for allocation in allocations if (allocation, split) not in self._evaluated]
        if missing:
            asyncio.run(self._run(missing, split))
        return [self._evaluated[allocation, split] for allocation in allocations]

    async def _run(self, allocations: Sequence[Allocation], split: str) -> None:
        # A sampler belongs to one event loop, and this loop ends with the call; the samples stay,
        # and so do the results of stages.
        executor = Executor(self.task, Sampler(self._samples, self.task.connect()), math.inf, self._memory)
        for allocation in allocations:
            outcome = await executor.run(allocation, self.task.examples(split))
            self._evaluated[allocation, split] = Evaluated(outcome.stage_scores, outcome.draws)


class RunUsage:
    """The usage of one run's trials as its session would count it, from what their allocations draw."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def of(self, drawn: Mapping[str, int]) -> Usage:
        """A trial's usage, given the trials counted before it."""
        fresh = sum(max(0, count - self._seen.get(key, 0)) for key, count in drawn.items())
        self._seen.update({key: max(count, self._seen.get(key, 0)) for key, count in drawn.items()})
        return Usage(requested=sum(drawn.values()), fresh=fresh)
