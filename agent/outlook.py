"""What a search is about to send, before it is sent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from agent.estimate import Work, batch_work, most_work
from agent.initial_trials import initial_trials
from agent.llm.agent_searcher import AgentSearcher
from agent.preparation import prepare
from agent.search import Search
from environment.task import Task
from storage.session import SessionConfig


@dataclass(frozen=True, slots=True)
class Outlook:
    """The work of a search's first batch, and more than the whole search and its judging come to.

    `priced` are the models that cost money, `free` the others, which count as free. `agent` says that a
    language model searches, whose own calls come on top. Of a recorded or simulated task nothing is sent.
    """

    first_batch: Work
    whole: Work
    priced: tuple[str, ...]
    free: tuple[str, ...]
    agent: bool
    live: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the times that the estimate does not know."""
        values = asdict(self)
        for name in ("first_batch", "whole"):
            del values[name]["seconds"]
        return values


def outlook(task: Task, search: Search, config: SessionConfig) -> Outlook:
    """What the search will send; nothing is sent and the search stays as it is."""
    agent = isinstance(search.searcher, AgentSearcher)
    if agent:
        # Its own first batch may need its model.
        first = [proposal.allocation for proposal in initial_trials(search.problem, "")][: config.trials]
    else:
        _, again, _ = prepare(config, task)
        first = [trial.allocation for trial in again.ask(config.batch, at_most=config.trials)]
    names = {model.name: None for subtask in task.space.subtasks for model in subtask.models}
    priced = task.priced_models
    return Outlook(
        batch_work(task, first),
        most_work(task, search.problem, config.trials, front=config.front),
        tuple(name for name in names if name in priced),
        tuple(name for name in names if name not in priced),
        agent,
        not (task.recorded_from or task.simulated),
    )
