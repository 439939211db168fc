"""What LangGraph adds to a step of the search loop, with its checkpoints in SQLite.

The loop's own nodes are timed within a run of the graph; what is left of the run is LangGraph's and its
checkpointer's. The trials are simulated and the searcher draws at random, so that little else takes time.

python scripts/bench_loop.py
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench_script import Line, milliseconds, parser, show

from agent.checkpoints import checkpointer
from agent.loop import LoopState, SearchLoop
from agent.preparation import prepare
from agent.trial_queue import TrialQueue
from environment.simulated.executor import SimulatedExecutor
from storage.archive import Archive
from storage.database import Database
from storage.session import SessionConfig
from storage.workers import Workers


@dataclass(frozen=True)
class TimedLoop(SearchLoop):
    """Notes how long each node took, elapsed and of the processor."""

    spent: list[tuple[float, float]] = field(default_factory=list)

    async def _propose(self, state: LoopState) -> LoopState:
        return await self._timed(super()._propose, state)

    async def _execute(self, state: LoopState) -> LoopState:
        return await self._timed(super()._execute, state)

    async def _guide(self, state: LoopState) -> LoopState:
        return await self._timed(super()._guide, state)

    async def _timed(self, node: Callable[[LoopState], Awaitable[LoopState]], state: LoopState) -> LoopState:
        begin, busy = time.perf_counter(), time.process_time()
        after = await node(state)
        self.spent.append((time.perf_counter() - begin, time.process_time() - busy))
        return after


def loop_in(database: Database, trials: int) -> TimedLoop:
    """A new session's loop, led by a worker of its own, one trial a batch."""
    config = SessionConfig("simulated-2wiki", {}, "random", {}, 0, 0.0, "", {}, trials, 1)
    task, search, config = prepare(config, default_budget=True)
    record = Archive(database).create_session(config)
    workers = Workers(database)
    worker = workers.register(record.id, lease=3600.0)
    if not workers.take_lead(worker):
        raise SystemExit("a new session has another leader")
    archive = Archive(database, worker.id)
    queue = TrialQueue(record.id, task, SimulatedExecutor(task, config.budget), archive)
    return TimedLoop(record.id, search, queue, archive, trials, 1)


async def steps_of(database: Database, loop: TimedLoop) -> tuple[float, float, float]:
    """Runs a session; seconds of LangGraph a step, elapsed and of the processor, and those of a node."""
    async with checkpointer(database, loop.session_id) as checkpoints:
        begin, busy = time.perf_counter(), time.process_time()
        await loop.run(checkpoints)
        elapsed, processor = time.perf_counter() - begin, time.process_time() - busy
    steps = len(loop.spent)
    within, within_busy = (sum(times) for times in zip(*loop.spent, strict=True))
    return (elapsed - within) / steps, (processor - within_busy) / steps, within / steps


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=5)
    options.add_argument("--trials", type=int, default=50, help="default: %(default)s")
    arguments = options.parse_args()
    found = []
    for run in range(arguments.runs + 1):
        with tempfile.TemporaryDirectory() as folder, Database.open(Path(folder) / "bench.db") as database:
            times = asyncio.run(steps_of(database, loop_in(database, arguments.trials)))
        if run:  # in the first one, what is loaded when it is first used is loaded
            found.append(times)
    elapsed, processor, nodes = zip(*found, strict=True)
    ratio = [(more + alone) / alone for more, alone in zip(elapsed, nodes, strict=True)]
    show(
        [
            Line(
                "LangGraph's share of a step, SQLite checkpointer, elapsed",
                milliseconds(elapsed),
                f"the step's own work: {milliseconds(nodes)}",
                ratio,
                "under 10 ms",
            ),
            Line("the same, processor time", milliseconds(processor), "", (), ""),
        ]
    )


if __name__ == "__main__":
    main()
