"""Where a session's trials run: in this process, or spread over a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from environment.backend import close_all
from environment.executor import runner_of
from environment.session_sampler import session_sampler
from environment.simulated.executor import SimulatedExecutor
from environment.task import Task
from environment.trial_runner import TrialRunner
from storage.database import Database
from storage.sample import Sample
from storage.session import SessionConfig
from tools.errors import InvalidInput, UnknownName
from tools.registry import built
from tools.space import Allocation

LOCAL, RAY = "local", "ray"


@dataclass(frozen=True, slots=True)
class Begun:
    """What a session did before, and who follows it now.

    `tried` are the allocations that were run on the search examples, `drawn` how many samples of each
    request were drawn, by its key. `told` hears of generated samples with their model; a cluster's
    arrive without their texts. `session_id` names the account that pays, `worker` who reserves and claims
    in this process; a cluster's workers register themselves.
    """

    tried: Sequence[Allocation] = ()
    drawn: Mapping[str, int] = field(default_factory=dict)
    told: Callable[[str, Sequence[Sample]], None] | None = None
    session_id: str = ""
    worker: str = ""


class Execution(Protocol):
    """Makes the runner of a session's trials."""

    def runner(self, begun: Begun) -> AbstractAsyncContextManager[TrialRunner]:
        """The runner, which holds its connections until the block ends."""
        ...


@contextmanager
def execution(
    executor: str, options: Mapping[str, Any], config: SessionConfig, task: Task, database: Database
) -> Iterator[Execution]:
    """The execution by the executor called "local" or "ray", until the block ends.

    Raises InvalidInput for an unknown one, for its options and where it cannot run the task, ClusterError
    where the cluster does not start.
    """
    if executor not in (LOCAL, RAY):
        raise UnknownName("executor", executor, (LOCAL, RAY))
    if executor == LOCAL:
        if options:
            raise InvalidInput(
                "option of executor 'local'", f"unknown name {next(iter(options))!r}; it takes no options"
            )
        yield _Local(task, database, config.budget)
        return
    # Here, since only this executor needs them.
    from environment.cluster.job import job_of
    from environment.cluster.options import ClusterOptions
    from environment.cluster.ray_workers import imported, ray_workers

    settings = built("executor 'ray'", ClusterOptions, options)

    def pickled(value: object) -> bytes:
        return bytes(imported().cloudpickle.dumps(value))

    job = job_of(config, task, database, pickled)
    with ray_workers(settings, job, len(task.search_examples)) as workers:
        yield _Spread(task, config.budget, workers, settings.trials_at_once)


@dataclass(frozen=True, slots=True)
class _Local:
    task: Task
    database: Database
    budget: float

    @asynccontextmanager
    async def runner(self, begun: Begun) -> AsyncIterator[TrialRunner]:
        if self.task.simulated:
            yield SimulatedExecutor(self.task, self.budget, begun.tried)
            return
        backends = self.task.connect()
        sampler = session_sampler(
            self.task, self.database, begun.session_id, begun.worker, backends, begun.drawn, begun.told
        )
        try:
            yield runner_of(self.task, sampler, self.budget)
        except BaseException as error:
            await sampler.wind_down(error)
            raise
        else:
            await sampler.flush()
        finally:
            await close_all(backends)


@dataclass(frozen=True, slots=True)
class _Spread:
    task: Task
    budget: float
    workers: Sequence[Any]
    at_once: int

    @asynccontextmanager
    async def runner(self, begun: Begun) -> AsyncIterator[TrialRunner]:
        from environment.cluster.spread_executor import SpreadExecutor

        yield SpreadExecutor(
            self.task, self.budget, self.workers, self.at_once, begun.drawn, begun.told, begun.session_id
        )
