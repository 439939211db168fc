"""An arena on a simulated family, whose true scores are known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from agent.comparison.arena import SIMULATED, Arena, Scorer
from environment.simulated.executor import SimulatedExample, SimulatedExecutor
from environment.simulation import Optimum, Simulation
from environment.task import HELD_OUT, Task
from tools.space import Allocation


class SimulatedArena(Arena):
    """A draw of a simulated family; the truth is its exact expectation over all examples there could be."""

    source = SIMULATED
    truth = "the exact expected score of the simulated surface"

    def __init__(self, task: Task, simulation: Simulation) -> None:
        super().__init__(task)
        self._simulation = simulation

    def scorer(self, budget: float) -> Scorer:
        executor = SimulatedExecutor(self.task, budget)
        examples = cast(Sequence[SimulatedExample], self.task.search_examples)
        return lambda allocation: executor.evaluate(allocation, examples)

    def true_score(self, allocation: Allocation) -> float:
        return list(self._simulation.expected(allocation).values())[-1]

    def held_out_score(self, allocation: Allocation) -> float:
        return list(self._simulation.scores(allocation, HELD_OUT).values())[-1].mean

    def _find_oracle(self, budget: float) -> Optimum:
        return self._simulation.oracle(budget, self.task.cost)
