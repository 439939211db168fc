"""A whole search session: set up, searched, judged on held-out examples, remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver

from agent.judging import BEST, ON_FRONT, Judge
from agent.loop import Observer, SearchLoop
from agent.pricing import Caps, caps_from_dicts, caps_to_dicts, priced
from agent.search import Search
from environment.executor import Executor
from environment.pipelines.loading import as_task, located, name_of
from environment.pipelines.searchable import SearchablePipeline
from environment.sampler import Sampler
from environment.simulated.executor import SimulatedExecutor
from environment.task import HELD_OUT, Task, load_task
from environment.trial_runner import TrialRunner
from storage.archive import Archive
from storage.database import DEFAULT_URL, Database
from storage.evaluation import Evaluation
from storage.samples import SampleStore
from storage.session import SessionConfig, SessionRecord, SessionState
from storage.transcript import Transcript
from tools.cost import COSTS, CostModel
from tools.errors import AgentttsError, InvalidInput
from tools.measured import Measurements
from tools.trial import Guideline, Trial, Usage, best_trial
from tools.validation import is_finite, require_count, require_plain

MOST_TRIALS = 1_000_000
LARGEST_BUDGET = 2.0
"""Up to how many times the usual budget a front goes where no budget is given: the paper's high budget
of 2WikiMultiHopQA is 2.15 times its default."""


class SessionObserver(Observer, Protocol):
    """Also told when the session begins and when the judging of its result begins."""

    def session_started(self, record: SessionRecord, task: Task, search: Search) -> None: ...

    def judging_started(self) -> None: ...


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """What the search agent's model was used for; no part of the pipeline's generations.

    `refused` counts the answers that were not used as they stood; `latency` is in seconds.
    """

    calls: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0
    latency: float = 0.0

    @classmethod
    def of(cls, transcripts: Sequence[Transcript]) -> AgentUsage:
        """The sum over model calls."""
        return cls(
            len(transcripts),
            sum(not call.accepted for call in transcripts),
            sum(call.prompt_tokens for call in transcripts),
            sum(call.generation_tokens for call in transcripts),
            sum(call.latency for call in transcripts),
        )


@dataclass(frozen=True)
class Result:
    """What a finished session found.

    `evaluations` holds the best allocation (label BEST) and the naive ones (LARGEST, SMALLEST, where
    they fit the budget) on the held-out examples, and where the session was asked for it the points
    of the front. `usage` sums the trials': `usage.requested`
    generations without reuse, `usage.fresh` with it, `usage.paid` really produced now. `simulated`
    says that a simulation answered and no model was run.
    """

    session_id: str
    config: SessionConfig
    trials: tuple[Trial, ...]
    guidelines: tuple[Guideline, ...]
    evaluations: tuple[Evaluation, ...]
    state: SessionState
    recorded_from: str = ""
    simulated: bool = False
    agent: AgentUsage = AgentUsage()

    @property
    def best(self) -> Trial:
        """The recommended trial (agent.recommendation). Raises AgentttsError when none is complete."""
        best = self.best_or_none
        if best is None:
            raise AgentttsError(f"session {self.session_id} has no complete trial")
        return best

    @property
    def best_or_none(self) -> Trial | None:
        """The recommended trial; while the session goes on the one with the highest search score."""
        judged = self.evaluation(BEST)
        chosen = [trial for trial in self.trials if judged is not None and trial.allocation == judged.allocation]
        return chosen[0] if chosen else self.luckiest

    @property
    def luckiest(self) -> Trial | None:
        """The trial with the highest search score, which luck may have helped."""
        return best_trial(self.trials)

    @property
    def usage(self) -> Usage:
        """The generations and tokens of all trials."""
        return sum((trial.usage for trial in self.trials), Usage())

    @property
    def front(self) -> tuple[Evaluation, ...]:
        """The judged front of score against cost, the cheapest first; empty where none was asked for."""
        return tuple(sorted((e for e in self.evaluations if e.label.startswith(ON_FRONT)), key=lambda e: e.cost))

    def evaluation(self, label: str, split: str = HELD_OUT) -> Evaluation | None:
        """The evaluation with this label, if it was made."""
        return next((e for e in self.evaluations if e.label == label and e.split == split), None)


def run(
    task: str | Task | SearchablePipeline = "multihop-recorded",
    budget: float | None = None,
    searcher: str = "planner",
    trials: int = 50,
    seed: int = 0,
    storage: str = DEFAULT_URL,
    *,
    batch: int = 10,
    cost: str | CostModel | None = None,
    cost_settings: Mapping[str, Any] | None = None,
    caps: Caps = (),
    measured: Measurements | None = None,
    front: bool = False,
    task_options: Mapping[str, Any] | None = None,
    searcher_options: Mapping[str, Any] | None = None,
    observer: SessionObserver | None = None,
) -> Result:
    """Searches a task for its best allocation within the budget and judges the result.

    `task` is a name that `load_task` knows, a pipeline or a Task. `budget` is in the cost model's
    unit (by default the task's own), and defaults to the task's, else to one sample of every
    subtask's largest model (twice that with `front`). `caps` limit further costs, such as
    {"price": 0.01}; no allocation beyond one of them is ever run. `measured` is what costs in tokens
    or seconds go by. With `front` every point of the front of score against cost is judged too
    (agent.pareto). `storage` is a database URL. Raises InvalidInput and its kinds before anything is
    stored; EndpointError, MissingSample, PipelineError or StorageError leave a session that `resume`
    continues.
    """
    name = located(task) if isinstance(task, str) else name_of(task)
    config = SessionConfig(
        task=name,
        task_options=dict(task_options or {}),
        searcher=searcher,
        searcher_options=dict(searcher_options or {}),
        seed=seed,
        budget=0.0 if budget is None else budget,
        cost="",
        cost_settings={},
        trials=trials,
        batch=batch,
        front=front,
    )
    loaded = load_task(name, **config.task_options) if isinstance(task, str) else as_task(task)
    loaded = priced(loaded, cost, cost_settings, caps, measured)
    loaded, search, config = prepare(config, loaded, default_budget=budget is None)
    with Database.open(storage) as database:
        record = Archive(database).create_session(config)
        return asyncio.run(_run(record, loaded, search, database, observer))


def resume(
    session: str,
    storage: str = DEFAULT_URL,
    *,
    task: str | Task | SearchablePipeline | None = None,
    observer: SessionObserver | None = None,
) -> Result:
    """Continues a session (id, unique prefix or "last") where it stopped.

    Nothing that was generated is paid again and no finished trial runs again. A finished session
    is returned as it is. `task` is the session's own, where it was an object of a program or its
    file has moved. Raises UnknownSession, and InvalidInput where the task is not to be had or has
    changed.
    """
    with Database.open(storage) as database:
        archive = Archive(database)
        record = archive.session(session)
        if record.state is SessionState.COMPLETE:
            return _result(record, archive)
        config = record.config
        if isinstance(task, str):
            given: Task | None = load_task(task, **config.task_options)
        else:
            given = None if task is None else as_task(task)
        loaded, search, _ = prepare(config, given)
        search.searcher.replay(archive.transcripts(record.id))
        return asyncio.run(_run(record, loaded, search, database, observer))


def load_result(session: str, storage: str = DEFAULT_URL) -> Result:
    """A stored session's result, finished or not. Raises UnknownSession."""
    with Database.open(storage) as database:
        archive = Archive(database)
        return _result(archive.session(session), archive)


def load_transcripts(session: str, storage: str = DEFAULT_URL) -> list[Transcript]:
    """The model calls of a session's search agent, in order. Raises UnknownSession."""
    with Database.open(storage) as database:
        archive = Archive(database)
        return archive.transcripts(archive.session(session).id)


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
    if taken := set(config.searcher_options) & set(signature(Search).parameters):
        raise InvalidInput(f"option of searcher {config.searcher!r}", f"unknown name {min(taken)!r}")
    if not is_finite(config.budget):
        raise InvalidInput("budget", f"must be a finite number, got {config.budget!r}")
    task = load_task(config.task, **config.task_options) if given is None else given
    _require_unchanged(task, config)
    if config.cost:
        # The task's own budget is in the unit of its own cost.
        cost = COSTS.get(config.cost)(**config.cost_settings)
        task = replace(task, cost=cost, budget=None, caps=caps_from_dicts(config.caps))
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
        **config.searcher_options,
    )
    filled = replace(
        config,
        budget=budget,
        cost=task.cost.name,
        cost_settings=task.cost.settings(),
        caps=caps_to_dicts(task.caps),
        task_digest=task.digest,
        recorded_from=task.recorded_from,
        simulated=task.simulated,
    )
    return task, search, filled


def _require_unchanged(task: Task, config: SessionConfig) -> None:
    if config.task_digest and task.digest != config.task_digest:
        raise InvalidInput(
            "task",
            f"{config.task} has changed since the session began, and trials of two pipelines cannot be compared; "
            "put it back as it was, or start a new search, which pays only for what no search has generated yet",
        )


async def _run(
    record: SessionRecord, task: Task, search: Search, database: Database, observer: SessionObserver | None
) -> Result:
    archive = Archive(database)
    config = record.config
    backends = task.connect()
    if task.simulated:
        runner: TrialRunner = SimulatedExecutor(task, config.budget)
    else:
        runner = (task.runner or Executor)(task, Sampler(SampleStore(database), backends), config.budget)
    loop = SearchLoop(record.id, task, search, runner, archive, config.trials, config.batch, observer)
    try:
        await _restore(loop)
        if observer:
            observer.session_started(record, task, search)
        async with _checkpointer(database) as checkpointer:
            await loop.run(checkpointer)
        if observer:
            observer.judging_started()
        await Judge(record.id, task, search, runner, archive).run(front=config.front)
    except (asyncio.CancelledError, KeyboardInterrupt):
        archive.set_state(record.id, SessionState.INTERRUPTED)
        raise
    except Exception as error:
        archive.set_state(record.id, SessionState.FAILED, str(error))
        raise
    finally:
        for backend in set(backends.values()):
            await backend.aclose()
    archive.set_state(record.id, SessionState.COMPLETE)
    return _result(archive.session(record.id), archive)


async def _restore(loop: SearchLoop) -> None:
    stored = loop.archive.trials(loop.session_id)
    if stored:
        loop.restore(stored)


@asynccontextmanager
async def _checkpointer(database: Database) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """LangGraph's SQLite checkpointer beside a SQLite file; in memory where there is no file."""
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    if database.path is None:
        yield InMemorySaver()
        return
    async with AsyncSqliteSaver.from_conn_string(str(checkpoint_path(database.path))) as saver:
        yield saver


def checkpoint_path(path: Path) -> Path:
    """Where the loop's checkpoints lie: beside the database file, since LangGraph owns their schema."""
    return path.with_name(f"{path.stem}-checkpoints{path.suffix or '.db'}")


def _result(record: SessionRecord, archive: Archive) -> Result:
    config = record.config
    recorded_from, simulated = config.recorded_from, config.simulated
    if recorded_from is None or simulated is None:  # a session of a version that did not store them
        task = load_task(config.task, **config.task_options)
        recorded_from, simulated = task.recorded_from, task.simulated
    return Result(
        session_id=record.id,
        config=config,
        trials=tuple(archive.trials(record.id)),
        guidelines=tuple(archive.guidelines(record.id)),
        evaluations=tuple(archive.evaluations(record.id)),
        state=record.state,
        agent=AgentUsage.of(archive.transcripts(record.id)),
        recorded_from=recorded_from,
        simulated=simulated,
    )
