"""A whole search session: set up, searched, judged on held-out examples, remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.interruption import run_until_interrupted
from agent.judging import BEST, ON_FRONT
from agent.observers import told_of_the_end
from agent.participation import SessionObserver, require_prices, take_part
from agent.preparation import prepare
from agent.pricing import Caps, priced
from agent.reporting.views import ResultViews
from agent.search import Search
from agent.setup import setup_of
from environment.execution import LOCAL, Execution, execution
from environment.loading import load_task
from environment.pipelines.loading import as_task, located, name_of
from environment.pipelines.searchable import SearchablePipeline
from environment.task import HELD_OUT, TASKS, Task
from storage.archive import Archive
from storage.database import DEFAULT_URL, Database, full_url, url_without_password
from storage.evaluation import Evaluation
from storage.fault import FaultSum
from storage.session import SessionConfig, SessionRecord, SessionState
from storage.spending import SpendingRecord
from storage.transcript import Transcript
from storage.workers import Worker, Workers
from tools.cost import CostModel
from tools.declared import names_misfits
from tools.errors import AgentttsError
from tools.measured import Measurements
from tools.spending import SpendingCaps
from tools.trial import Guideline, Trial, Usage, best_trial

Confirm = Callable[[Task, Search, SessionConfig], None]
"""Told what is about to be searched; raises where it shall not be."""


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
class Result(ResultViews):
    """What a finished session found.

    `evaluations` holds the best allocation (label BEST) and the naive ones (LARGEST, SMALLEST, where
    they fit the budget) on the held-out examples, and where the session was asked for it the points
    of the front. `usage` sums the trials': `usage.requested`
    generations without reuse, `usage.fresh` with it, `usage.paid` really produced now. `simulated`
    says that a simulation answered and no model was run. `spending` counts every run of the session,
    `faults` what went wrong at its endpoints, and `problem` says why it ended early, where it did.
    `storage` is the URL of the session's database, from which reports read samples and other sessions; a
    pickled result keeps it without its password.
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
    spending: SpendingRecord = SpendingRecord()  # noqa: RUF009 - it is frozen
    faults: tuple[FaultSum, ...] = ()
    problem: str = ""
    storage: str = field(default="", repr=False, compare=False)  # it may hold a password

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "storage": url_without_password(self.storage) if self.storage else ""}

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


@names_misfits
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
    executor: str = LOCAL,
    executor_options: Mapping[str, Any] | None = None,
    spending: SpendingCaps = SpendingCaps(),  # noqa: B008 - it is frozen
    confirm: Confirm | None = None,
    observer: SessionObserver | None = None,
) -> Result:
    """Searches a task for its best allocation within the budget and judges the result.

    `task` is a name that `load_task` knows, a pipeline or a Task. `budget` is in the cost model's
    unit (by default the task's own), and defaults to the task's, else to one sample of every
    subtask's largest model (twice that with `front`). `caps` limit further costs, such as
    {"price": 0.01}; no allocation beyond one of them is ever run. `measured` is what costs in tokens
    or seconds go by. With `front` every point of the front of score against cost is judged too
    (agent.pareto). `storage` is a database URL. `executor` "ray" spreads examples and trials over a
    cluster, with the same scores (docs/cluster.md). `spending` caps what all runs of the session spend
    (docs/spending.md). Raises InvalidInput and its kinds, or ClusterError, before anything is stored;
    SpendingCapReached, EndpointError, ClusterError, MissingSample, PipelineError or StorageError leave
    a session that `resume` continues, as does SessionInterrupted, which Ctrl-C and SIGTERM raise.
    `confirm` is called before anything is sent or stored; what it raises ends the run.
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
    require_prices(loaded, search, spending)
    if confirm is not None:
        confirm(loaded, search, config)
    with (
        Database.open(storage) as database,
        execution(executor, executor_options or {}, config, loaded, database) as running,
    ):
        record = Archive(database).create_session(config, setup_of(search.problem))
        return _searched(record, loaded, search, database, running, observer, spending, storage)


@names_misfits
def resume(
    session: str,
    storage: str = DEFAULT_URL,
    *,
    task: str | Task | SearchablePipeline | None = None,
    executor: str = LOCAL,
    executor_options: Mapping[str, Any] | None = None,
    spending: SpendingCaps = SpendingCaps(),  # noqa: B008 - it is frozen
    observer: SessionObserver | None = None,
) -> Result:
    """Continues a session (id, unique prefix or "last") where it stopped, or joins those that are at it.

    Nothing that was generated is paid again and no finished trial runs again. While another process
    leads the session this one runs waiting trials, and takes the lead where that process is gone
    (docs/sessions.md). A finished session is returned as it is. `task` is the session's own, where it
    was an object of a program or its file has moved. The executor may be another one than before. Each
    cap of `spending` that is set replaces the session's own. Raises as `run`, UnknownSession, and
    InvalidInput where the task is not to be had or has changed.
    """
    with Database.open(storage) as database:
        archive = Archive(database)
        record = archive.session(session)
        if record.state is SessionState.COMPLETE:
            return _result(record, archive, storage)
        config = record.config
        if isinstance(task, str):
            given: Task | None = load_task(task, **config.task_options)
        else:
            given = None if task is None else as_task(task)
        loaded, search, _ = prepare(config, given)
        require_prices(loaded, search, spending)
        with execution(executor, executor_options or {}, config, loaded, database) as running:
            return _searched(record, loaded, search, database, running, observer, spending, storage)


@names_misfits
def load_result(session: str, storage: str = DEFAULT_URL) -> Result:
    """A stored session's result, finished or not. Raises UnknownSession."""
    with Database.open(storage) as database, database.snapshot() as moment:
        archive = Archive(moment)
        return _result(archive.session(session), archive, storage)


@names_misfits
def load_workers(session: str, storage: str = DEFAULT_URL) -> list[Worker]:
    """The processes that are at work on a session. Raises UnknownSession."""
    with Database.open(storage) as database:
        return Workers(database).of(Archive(database).session(session).id)


def load_transcripts(session: str, storage: str = DEFAULT_URL) -> list[Transcript]:
    """The model calls of a session's search agent, in order. Raises UnknownSession."""
    with Database.open(storage) as database:
        archive = Archive(database)
        return archive.transcripts(archive.session(session).id)


def _searched(
    record: SessionRecord,
    task: Task,
    search: Search,
    database: Database,
    running: Execution,
    observer: SessionObserver | None,
    spending: SpendingCaps,
    storage: str,
) -> Result:
    unused = [search]

    def build() -> Search:
        return unused.pop() if unused else prepare(record.config, task)[1]

    with told_of_the_end(observer) as ending:
        part = take_part(record, task, build, database, running, observer, spending)
        run_until_interrupted(part, record.id, database.url)
        archive = Archive(database)
        ending.result = _result(archive.session(record.id), archive, storage)
    return ending.result


def _result(record: SessionRecord, archive: Archive, storage: str) -> Result:
    config = record.config
    recorded_from, simulated = config.recorded_from, config.simulated
    # A session of a version that did not store them. Of a task that is code, it is not run for being shown.
    if (recorded_from is None or simulated is None) and config.task in TASKS.names():
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
        spending=archive.spending(record.id),
        faults=archive.faults(record.id),
        problem=record.problem,
        recorded_from=recorded_from or "",
        simulated=bool(simulated),
        storage=full_url(storage),
    )
