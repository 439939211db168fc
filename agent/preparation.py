"""From a configuration to the task and the search that it describes."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature

from agent.pricing import caps_from_dicts, caps_to_dicts
from agent.search import Search
from agent.searcher import SEARCHERS
from environment.loading import load_task
from environment.task import Task
from storage.session import SessionConfig
from tools.cost import COSTS
from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import is_finite, require_count, require_plain

MOST_TRIALS = 1_000_000
LARGEST_BUDGET = 2.0
"""Up to how many times the usual budget a front goes where no budget is given: the paper's high budget
of 2WikiMultiHopQA is 2.15 times its default."""


def prepare(
    config: SessionConfig, given: Task | None = None, *, default_budget: bool = False
) -> tuple[Task, Search, SessionConfig]:
    """The task and the search of a configuration, and the configuration with its defaults filled in.

    A task that is `given` is not loaded. Raises InvalidInput and its kinds; opens no database and no connection.
    """
    require_count("trials", config.trials, MOST_TRIALS)
    require_count("batch", config.batch, MOST_TRIALS)
    require_plain("task option", config.task_options)
    require_plain("searcher option", config.searcher_options)
    searcher_options = SEARCHERS.get(config.searcher).portable(config.searcher_options)
    if taken := set(config.searcher_options) & set(signature(Search).parameters):
        raise InvalidInput(f"option of searcher {config.searcher!r}", f"unknown name {min(taken)!r}")
    if not is_finite(config.budget):
        raise InvalidInput("budget", f"must be a finite number, got {shortened(config.budget)}")
    task = session_task(config, given)
    budget = config.budget
    if default_budget:
        default = task.space.default_budget(task.cost)
        usual = max(default, LARGEST_BUDGET * default) if config.front else default
        budget = usual if task.budget is None else task.budget
        if not is_finite(budget):
            raise InvalidInput("cost", f"{task.cost.name} is beyond all numbers with these settings; give others")
    search = Search(
        task.space,
        budget,
        config.searcher,
        config.seed,
        cost=task.cost,
        task=task.name,
        description=task.description,
        metrics=task.metrics,
        caps=task.caps,
        **searcher_options,
    )
    filled = replace(
        config,
        searcher_options=searcher_options,
        budget=budget,
        cost=task.cost.name,
        cost_settings=task.cost.settings(),
        caps=caps_to_dicts(task.caps),
        task_digest=task.digest,
        recorded_from=task.recorded_from,
        simulated=task.simulated,
    )
    return task, search, filled


def session_task(config: SessionConfig, given: Task | None = None) -> Task:
    """The task of a configuration with its costs and caps; one that is `given` is not loaded.

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
