"""Workers as Ray actors: started, opened, called, started again elsewhere when their node is lost, and ended."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

from environment.cluster.job import Job
from environment.cluster.options import LOCAL, ClusterOptions
from environment.cluster.worker import Share, Worker
from environment.sampler import SECONDS_TO_FINISH
from tools.errors import AgentttsError, ClusterError, InvalidInput
from tools.space import Allocation

LOG = logging.getLogger(__name__)

SECONDS_TO_START = 300.0
"""How long the cluster may take until every worker is open."""
SECONDS_TO_CLOSE = SECONDS_TO_FINISH + 10.0
MEMORY = 256 * 2**20
"""Bytes that a worker reserves of its node: about what it takes. Ray places what reserves nothing anywhere."""
MOST_RESTARTS = 20
"""How often a worker is started again; one that dies more often is killed by what it does."""
SECONDS_TO_ANSWER = 10.0


class RayWorker:
    """One actor, as the executor calls it."""

    def __init__(self, actor: Any, kept: Sequence[Any]) -> None:
        """`kept` are references to what the actor needs when it is started anew."""
        self.actor = actor
        self._kept = kept

    async def run(self, session_id: str, allocation: Allocation, split: str, places: Sequence[int]) -> Share:
        """Runs a worker's share of a trial; see RemoteWorker."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        call = self.actor.run.remote(session_id, allocation, split, list(places))
        try:
            result: Share | AgentttsError = await call
        except asyncio.CancelledError:
            ray.cancel(call)
            raise
        except RayTaskError as error:
            LOG.error("a worker failed: %s", error)
            cause = error.cause
            if isinstance(cause, Exception) and not isinstance(cause, RayError):
                raise cause from error
            raise ClusterError(f"a worker's call failed: {first_line(error)}") from error
        except RayError as error:
            raise ClusterError(f"a worker is lost for good: {first_line(error)}") from error
        if isinstance(result, AgentttsError):
            raise result
        return result


@contextmanager
def ray_workers(options: ClusterOptions, job: Job, examples: int) -> Iterator[list[RayWorker]]:
    """Open workers, `examples` at most, until the block ends; then their requests under way finish first.

    Uses the cluster that this process is connected to, if it is. Raises InvalidInput where there is no
    cluster or its nodes cannot do the job, ClusterError where they do not start in time.
    """
    ray = imported()
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, options)
    try:
        workers = _start(ray, options, job, examples)
        try:
            _open(ray, workers)
            try:
                yield workers
            finally:
                _close(ray, workers)
        finally:
            for worker in workers:
                ray.kill(worker.actor)
    finally:
        if ours:
            ray.shutdown()


def imported() -> ModuleType:
    """Ray. Raises InvalidInput where it is not installed."""
    try:
        import ray
    except ImportError:
        raise InvalidInput("executor", 'needs Ray: pip install "agenttts[ray]"') from None
    return ray


def first_line(error: Exception) -> str:
    """What an error says, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _connect(ray: ModuleType, options: ClusterOptions) -> None:
    # Ray tells its makers about clusters that it starts, unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    started = {"include_dashboard": False} if options.address == LOCAL else {}
    try:
        if options.place is not None:
            # Ray itself would try for minutes.
            socket.create_connection(options.place, SECONDS_TO_ANSWER).close()
        ray.init(address=options.address, log_to_driver=False, logging_level=logging.WARNING, **started)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise InvalidInput(
            "executor option address",
            f"no Ray cluster answers at {options.address!r} ({first_line(error)}); start one with "
            f'`ray start --head`, or give "{LOCAL}" to try it on this machine alone',
        ) from error


def _start(ray: ModuleType, options: ClusterOptions, job: Job, examples: int) -> list[RayWorker]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class SessionWorker(Worker):
        def __init__(self, kept: Sequence[Any], part: int, parts: int) -> None:
            (job,) = kept
            super().__init__(job if isinstance(job, Job) else ray.get(job), part, parts)

    # Every failed attempt to reach a node that is not yet known to be lost counts as a retry: no limit.
    settings = {"num_cpus": options.cpus, "memory": MEMORY, "max_restarts": MOST_RESTARTS, "max_task_retries": -1}
    actor = ray.remote(**settings)(SessionWorker)
    # Kept in the driver for as long as the actors may be started anew; a large argument of their own is not.
    kept = [ray.put(job) if job.pickled else job]
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    count = min(options.workers or len(nodes), examples)

    def start(part: int) -> RayWorker:
        # Soft: it goes to another node where its own is lost or full.
        place = NodeAffinitySchedulingStrategy(nodes[part % len(nodes)], soft=True)
        return RayWorker(actor.options(scheduling_strategy=place).remote(kept, part, count), kept)

    return [start(part) for part in range(count)]


def _open(ray: ModuleType, workers: Sequence[RayWorker]) -> None:
    try:
        problems = ray.get([worker.actor.open.remote() for worker in workers], timeout=SECONDS_TO_START)
    except ray.exceptions.GetTimeoutError as error:
        raise ClusterError(
            f"the cluster has not started {len(workers)} workers within {SECONDS_TO_START:g} s; "
            "ask for fewer of them or for less of the option cpus"
        ) from error
    except ray.exceptions.RayError as error:
        raise ClusterError(f"a worker does not start: {first_line(error)}") from error
    for problem in problems:
        if problem is not None:
            raise problem


def _close(ray: ModuleType, workers: Sequence[RayWorker]) -> None:
    # One that is lost meanwhile has nothing left to close.
    with suppress(ray.exceptions.RayError):
        ray.get([worker.actor.close.remote() for worker in workers], timeout=SECONDS_TO_CLOSE)
