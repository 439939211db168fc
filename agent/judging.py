"""What a search is judged by: its best allocation or its front beside naive ones, on held-out examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.recommendation import recommend_front
from agent.search import Search
from agent.searcher import Problem
from environment.task import HELD_OUT, SEARCH, Task
from environment.trial_runner import TrialRunner
from storage.archive import Archive
from storage.evaluation import Evaluation
from tools.errors import AgentttsError
from tools.space import Allocation, Model, Subtask
from tools.trial import Trial

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
        await self._score(judged_allocations(self.search.problem, self.search.trials, recommended, front=front))

    async def _score(self, allocations: Mapping[tuple[str, str], Allocation]) -> None:
        known = {(evaluation.label, evaluation.split) for evaluation in self.archive.evaluations(self.session_id)}
        for (label, split), allocation in allocations.items():
            if (label, split) in known:
                continue
            outcome = await self.runner.run(allocation, self.task.examples(split))
            cost = self.task.cost.total(self.task.space, allocation)
            evaluation = Evaluation(label, allocation, split, cost, outcome.stage_scores)
            self.archive.save_evaluation(self.session_id, evaluation, outcome.draws)


def judged_allocations(
    problem: Problem, trials: Sequence[Trial], recommended: Trial, *, front: bool
) -> dict[tuple[str, str], Allocation]:
    """What is judged, by label and split, in the order of judging."""
    contenders = {
        BEST: recommended.allocation,
        LARGEST: naive_allocation(problem, largest=True),
        SMALLEST: naive_allocation(problem, largest=False),
    }
    judged = {
        (label, split): allocation
        for split in (SEARCH, HELD_OUT)
        for label, allocation in contenders.items()
        if allocation is not None
    }
    points = recommend_front(problem, trials) if front else []
    return judged | {(f"{ON_FRONT}{trial.number}", HELD_OUT): trial.allocation for trial in points}


def naive_allocation(problem: Problem, *, largest: bool) -> Allocation | None:
    """One size of model for every subtask, with the most samples, equal for all, that budget and caps allow.

    None where not even one sample of each fits.
    """

    def pick(subtask: Subtask) -> Model:
        return subtask.by_size[-1 if largest else 0]

    for count in reversed(problem.space.sample_counts):
        allocation = Allocation({s.name: s.usual(pick(s)).choice(count) for s in problem.space.subtasks})
        if problem.feasible(allocation):
            return allocation
    return None
