"""What a search is judged by: its best allocation or its front beside naive ones, on held-out examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.recommendation import recommend_front
from agent.search import Search
from environment.task import HELD_OUT, SEARCH, Task
from environment.trial_runner import TrialRunner
from storage.archive import Archive
from storage.evaluation import Evaluation
from tools.errors import AgentttsError
from tools.space import Allocation, Model, SearchSpace, Subtask

BEST = "best"
LARGEST = "largest model everywhere"
SMALLEST = "smallest model everywhere"
ON_FRONT = "front: trial "
"""Begins the label of a point of the front; the trial's number follows."""


@dataclass(frozen=True)
class Judge:
    """Scores what a session found, each once: what is stored is not run again."""

    session_id: str
    task: Task
    search: Search
    runner: TrialRunner
    archive: Archive

    async def run(self, *, front: bool) -> None:
        """Scores the best and the naive allocations on both splits, and the `front` on the held-out examples.

        Raises AgentttsError where no trial was completed, and what the runner raises.
        """
        recommended = self.search.recommended
        if recommended is None:
            raise AgentttsError(f"session {self.session_id}: no trial was completed, there is nothing to judge")
        budget = self.search.problem.budget
        contenders = {
            BEST: recommended.allocation,
            LARGEST: naive_allocation(self.task, budget, largest=True),
            SMALLEST: naive_allocation(self.task, budget, largest=False),
        }
        fitting = {label: allocation for label, allocation in contenders.items() if allocation is not None}
        await self._score(fitting, SEARCH)
        await self._score(fitting, HELD_OUT)
        if front:
            points = recommend_front(self.search.problem, self.search.trials)
            await self._score({f"{ON_FRONT}{trial.number}": trial.allocation for trial in points}, HELD_OUT)

    async def _score(self, allocations: Mapping[str, Allocation], split: str) -> None:
        known = self.archive.evaluations(self.session_id)
        for label, allocation in allocations.items():
            if any(evaluation.label == label and evaluation.split == split for evaluation in known):
                continue
            outcome = await self.runner.run(allocation, self.task.examples(split))
            cost = self.task.cost.total(self.task.space, allocation)
            evaluation = Evaluation(label, allocation, split, cost, outcome.stage_scores)
            self.archive.save_evaluation(self.session_id, evaluation, outcome.draws)


def naive_allocation(task: Task, budget: float, *, largest: bool) -> Allocation | None:
    """One size of model for every subtask, with the most samples, equal for all, that budget and caps allow.

    None where not even one sample of each fits.
    """

    def pick(subtask: Subtask) -> Model:
        return subtask.by_size[-1 if largest else 0]

    space: SearchSpace = task.space
    for count in reversed(space.sample_counts):
        allocation = Allocation({s.name: s.usual(pick(s)).choice(count) for s in space.subtasks})
        if space.feasible(allocation, budget, task.cost, task.caps):
            return allocation
    return None
