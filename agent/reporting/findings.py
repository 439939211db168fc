"""Everything a session's report shows, gathered once: the result, its task, other searches, stored samples."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.preparation import session_task
from agent.reporting.traces import AllocationTraces, Wanted, traced
from agent.searcher import Problem
from agent.setup import problem_of
from environment.loading import load_task
from environment.pipelines.loading import HANDED_OVER, as_task
from environment.pipelines.searchable import SearchablePipeline
from environment.task import Task
from storage.archive import Archive
from storage.database import Database, parse_url, sqlite_path
from storage.samples import SampleStore
from storage.session import SessionConfig, SessionRecord
from tools.errors import AgentttsError, InvalidInput
from tools.validation import require_count

if TYPE_CHECKING:
    from agent.session import Result

MOST_RIVALS, MOST_EXAMPLES = 7, 1000
NOT_AT_HAND = "the session's database is not at hand (it was in memory, or its file has gone)"


@dataclass(frozen=True)
class Findings:
    """What is known of a session. `task` is None where it cannot be had, `task_problem` says why.

    `problem` is what its searcher was told, which the database keeps, and `made_with` the software that
    it began with; None and empty for a session of a version that did not keep them.
    `rivals` are other sessions by label; `rivals_left_out` counts those that were not read.
    `traces_problem` says why no example can be followed.
    """

    result: Result
    record: SessionRecord | None = None
    task: Task | None = None
    problem: Problem | None = None
    made_with: Mapping[str, Any] = field(default_factory=dict)
    task_problem: str = ""
    rivals: Mapping[str, Result] = field(default_factory=dict)
    rivals_left_out: int = 0
    traces: Sequence[AllocationTraces] = ()
    traces_problem: str = ""

    @property
    def models(self) -> list[str]:
        """Every model's name, from small to large where the task says so."""
        return models_of(self.result, self.problem)


def gather(
    result: Result,
    *,
    task: str | Task | SearchablePipeline | None = None,
    against: Sequence[str] = (),
    trials: Sequence[int] = (),
    examples: int = 12,
) -> Findings:
    """Reads what a report of a session shows; writes and generates nothing.

    `against` names sessions to compare with, by default the newest one of each other searcher on the
    same task, budget and cost. `trials` are shown example by example, up to `examples` of each.
    Raises InvalidInput for sessions of another task and for trials that are not complete.
    """
    require_count("examples", examples, MOST_EXAMPLES)
    known = {trial.number for trial in result.trials if trial.score is not None}
    if wrong := [number for number in trials if number not in known]:
        raise InvalidInput("trial", f"{wrong[0]} is not a complete trial of session {result.session_id}")
    found, problem = _task(result.config, task)
    if not _at_hand(result.storage):
        if against:
            raise InvalidInput("against", NOT_AT_HAND)
        told = _problem_of_task(found, result.config) if found else None
        return Findings(result, task=found, problem=told, task_problem=problem, traces_problem=NOT_AT_HAND)
    with Database.open(result.storage) as database:
        archive = Archive(database)
        record, setup = archive.session(result.session_id), archive.setup(result.session_id)
        rivals, left_out = _rivals(result, archive, against)
        told = problem_of(setup["problem"], result.config) if setup else None
        if told is None and found is not None:
            told = _problem_of_task(found, result.config)
        traces: Sequence[AllocationTraces] = ()
        if found is None:
            traces_problem = problem
        elif found.simulated:
            traces_problem = "the task is simulated: there are no prompts and no samples"
        else:
            traces_problem = ""
            wanted = Wanted.of(result, found, trials, examples)
            # In a thread of its own: a notebook has an event loop already.
            with ThreadPoolExecutor(1) as thread:
                traces = thread.submit(asyncio.run, traced(found, SampleStore(database), wanted)).result()
        return Findings(
            result,
            record,
            found,
            told,
            setup["made_with"] if setup else {},
            problem,
            rivals,
            left_out,
            traces,
            traces_problem,
        )


def task_of(result: Result, given: str | Task | SearchablePipeline | None = None) -> Task:
    """The session's task. Raises InvalidInput where it is not to be had or has changed."""
    config = result.config
    if isinstance(given, str):
        return session_task(config, load_task(given, **config.task_options))
    return session_task(config, None if given is None else as_task(given))


def models_of(result: Result, problem: Problem | None) -> list[str]:
    """Every model's name, from small to large where the problem is known, else those of the trials by name."""
    if problem is not None:
        return list(dict.fromkeys(model.name for subtask in problem.space.subtasks for model in subtask.by_size))
    return sorted({choice.model for trial in result.trials for choice in trial.allocation.values()})


def models_in(result: Result) -> list[str]:
    """Every model's name, as `models_of` orders them, with what is to be had of the session's problem."""
    try:
        return models_of(result, problem_of_session(result))
    except AgentttsError:
        return models_of(result, None)


def problem_of_session(result: Result, given: str | Task | SearchablePipeline | None = None) -> Problem:
    """What the session's searcher was told: of a `given` task, as stored, or of the task by its name.

    Raises InvalidInput where the task is not to be had or has changed.
    """
    if given is None and _at_hand(result.storage):
        with Database.open(result.storage) as database:
            if setup := Archive(database).setup(result.session_id):
                return problem_of(setup["problem"], result.config)
    return _problem_of_task(task_of(result, given), result.config)


def rivals_of(result: Result, against: Sequence[str] = ()) -> Mapping[str, Result]:
    """The other sessions by label, as `gather` reads them; none where the database is not at hand."""
    if not _at_hand(result.storage):
        return {}
    with Database.open(result.storage) as database:
        return _rivals(result, Archive(database), against)[0]


def _problem_of_task(task: Task, config: SessionConfig) -> Problem:
    return Problem(task.space, task.cost, config.budget, task.name, task.description, task.metrics, task.caps)


def _task(config: SessionConfig, given: str | Task | SearchablePipeline | None) -> tuple[Task | None, str]:
    try:
        if isinstance(given, str):
            return session_task(config, load_task(given, **config.task_options)), ""
        return session_task(config, None if given is None else as_task(given)), ""
    except AgentttsError as error:
        if given is not None:
            raise
        return None, f"the task is not at hand ({error})"


def _at_hand(storage: str) -> bool:
    if not storage:
        return False
    url = parse_url(storage)
    path = sqlite_path(url)
    return path.is_file() if path is not None else url.get_backend_name() != "sqlite"


def _rivals(result: Result, archive: Archive, against: Sequence[str]) -> tuple[dict[str, Result], int]:
    from agent.session import load_result

    if against:
        records = [archive.session(name) for name in against]
        for record in records:
            if _problem(record.config) != _problem(result.config):
                raise InvalidInput("against", f"session {record.id} searched another task or under another cost")
        records = [record for record in records if record.id != result.session_id]
    else:
        records = _comparable(result, archive.sessions())
    chosen = records[:MOST_RIVALS]
    names = [record.config.searcher for record in chosen]
    rivals = {}
    for record in chosen:
        config = record.config
        alone = names.count(config.searcher) == 1 and config.searcher != result.config.searcher
        name = config.searcher if alone else f"{config.searcher} ({record.id}, seed {config.seed})"
        if config.budget != result.config.budget:
            name += f", budget {config.budget:,.4g}"
        rivals[name] = load_result(record.id, result.storage)
    return rivals, len(records) - len(chosen)


def _comparable(result: Result, records: Sequence[SessionRecord]) -> list[SessionRecord]:
    """The newest session of each other searcher on the same problem within the same budget."""
    ours = result.config
    if ours.task.startswith(HANDED_OVER) and not ours.task_digest:
        return []  # another program's object may have the same name
    found: dict[str, SessionRecord] = {}
    for record in records:
        other = record.config
        same = _problem(other) == _problem(ours) and other.budget == ours.budget and other.front == ours.front
        if same and (other.searcher, other.searcher_options) != (ours.searcher, ours.searcher_options):
            found.setdefault(f"{other.searcher} {sorted(other.searcher_options.items())!r}", record)
    return list(found.values())


def _problem(config: SessionConfig) -> tuple[object, ...]:
    """What two sessions must share for their scores and costs to mean the same."""
    return (config.task, config.task_options, config.task_digest, config.cost, config.cost_settings, config.caps)
