"""The task that a stored session searched, with the costs and caps it searched under."""

from __future__ import annotations

from dataclasses import replace

from agent.pricing import caps_from_dicts
from environment.task import Task, load_task
from storage.session import SessionConfig
from tools.cost import COSTS
from tools.errors import InvalidInput


def session_task(config: SessionConfig, given: Task | None = None) -> Task:
    """The task of a configuration; one that is `given` is not loaded.

    Raises InvalidInput and its kinds, also where the task has changed since the session began.
    """
    task = load_task(config.task, **config.task_options) if given is None else given
    if config.task_digest and task.digest != config.task_digest:
        raise InvalidInput(
            "task",
            f"{config.task} has changed since the session began, and trials of two pipelines cannot be compared; "
            "put it back as it was, or start a new search, which pays only for what no search has generated yet",
        )
    if not config.cost:
        return task
    # The task's own budget is in the unit of its own cost.
    cost = COSTS.get(config.cost)(**config.cost_settings)
    return replace(task, cost=cost, budget=None, caps=caps_from_dicts(config.caps))
