"""What a session found, ready to work: its pipeline and its best allocation."""

from __future__ import annotations

from dataclasses import dataclass

from agent.session import Result, load_result
from environment.allocated import Allocated
from environment.loading import load_task
from environment.pipelines.loading import as_task
from environment.pipelines.searchable import SearchablePipeline
from environment.task import Task
from storage.database import DEFAULT_URL
from tools.errors import InvalidInput
from tools.space import Allocation


@dataclass(frozen=True, slots=True)
class Winner:
    """A task, the allocation to run it with, and a line that says where that comes from."""

    task: Task
    allocation: Allocation
    origin: str

    def allocated(self) -> Allocated:
        """The pipeline at work. Raises InvalidInput for a simulated task."""
        return Allocated(self.task, self.allocation)


def load_winner(
    session: str, storage: str = DEFAULT_URL, task: str | Task | SearchablePipeline | None = None
) -> Winner:
    """The best allocation of a stored session (id, unique prefix or "last"), with its task.

    A pipeline file that names its allocation may stand in place of the session.

    `task` is the session's own, where it was an object of a program or its file has moved. Raises
    UnknownSession, AgentttsError for one without a complete trial, and InvalidInput where the task
    is not to be had or has changed since.
    """
    if session.endswith((".yaml", ".yml")):
        exported = load_task(session)
        if exported.allocation is None:
            raise InvalidInput(session, "names no allocation; export one with `agenttts export SESSION --pipeline`")
        return Winner(exported, exported.allocation, session)
    result = load_result(session, storage)
    found = _task(result, task)
    if result.config.task_digest and found.digest != result.config.task_digest:
        raise InvalidInput(
            "task",
            f"{result.config.task} has changed since session {result.session_id} searched it, so that its best "
            "allocation says nothing about it; put it back as it was, or search again",
        )
    best = result.best
    judged = next((e for e in result.evaluations if e.label == "best" and e.split == "held-out"), None)
    score = f"held-out score {judged.score.mean:.3f}" if judged else f"search score {best.score or 0:.3f}"
    return Winner(found, best.allocation, f"session {result.session_id}, {score}")


def _task(result: Result, task: str | Task | SearchablePipeline | None) -> Task:
    if task is None or isinstance(task, str):
        return load_task(task or result.config.task, **result.config.task_options)
    return as_task(task)
