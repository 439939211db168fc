"""Derives the scores in a log again: the task's own code runs on the logged samples, and no model is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent.replay import Divergence, first_difference
from environment.executor import runner_of
from environment.memory_store import MemoryStore
from environment.sampler import Sampler
from environment.simulated.executor import SimulatedExecutor
from environment.task import SEARCH, Task
from environment.trial_runner import TrialRunner
from storage.log.chain import canonical
from storage.log.reading import Log
from storage.log.values import stage_fields
from tools.errors import AgentttsError
from tools.space import Allocation
from tools.trial import StageScore, TrialState


@dataclass(frozen=True, slots=True)
class Scores:
    """How many scores were derived again, and the first that differs, after which none is derived."""

    derived: int
    divergence: Divergence | None = None


@dataclass(frozen=True, slots=True)
class _Logged:
    place: str
    allocation: Allocation
    split: str
    scores: Mapping[str, StageScore]
    draws: Mapping[str, int] | None


async def derive_scores(log: Log, task: Task, samples: MemoryStore) -> Scores:
    """Scores every trial and evaluation of a log again, on its samples or, where it is simulated, on the simulation."""
    derived = 0
    runner = _runner(task, samples, log.record.config.budget)
    for logged in _logged(log):
        try:
            outcome = await runner.run(logged.allocation, task.examples(logged.split))
        except AgentttsError as error:  # such as a sample that the log does not hold
            return Scores(derived, Divergence(logged.place, "error", None, str(error)))
        theirs: dict[str, Any] = {"stages": stage_fields(logged.scores), "draws": logged.draws}
        ours: dict[str, Any] = {"stages": stage_fields(outcome.stage_scores), "draws": logged.draws and outcome.draws}
        if canonical(theirs) != canonical(ours):
            return Scores(derived, Divergence(logged.place, *first_difference("score", theirs, ours)))
        derived += 1
    return Scores(derived)


def _runner(task: Task, samples: MemoryStore, budget: float) -> TrialRunner:
    if task.simulated:
        return SimulatedExecutor(task, budget)
    return runner_of(task, Sampler(samples, {}), budget)


def _logged(log: Log) -> Iterator[_Logged]:
    for trial in log.trials:
        if trial.state is TrialState.COMPLETE:
            place = f"score of trial {trial.number} (batch {trial.batch})"
            yield _Logged(place, trial.allocation, SEARCH, trial.stage_scores, log.draws[trial.number])
    for evaluation in log.evaluations:
        place = f"score of {evaluation.label} on {evaluation.split} examples"
        draws = log.draws[evaluation.label, evaluation.split]
        yield _Logged(place, evaluation.allocation, evaluation.split, evaluation.stage_scores, draws)
