"""What LangGraph adds to a step of the search loop, with its checkpoints in SQLite.

The same nodes run once as the graph runs them and once one after the other, without it. The trials are simulated
and the searcher draws at random, so that little else takes time.

python scripts/bench_loop.py
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from bench_script import Line, milliseconds, parser, show

from agent.checkpoints import checkpointer
from agent.loop import LoopState, SearchLoop
from agent.preparation import prepare
from environment.simulated.executor import SimulatedExecutor
from storage.archive import Archive
from storage.database import Database
from storage.session import SessionConfig


def loop_in(database: Database, trials: int) -> SearchLoop:
    """A new session's loop, one trial a batch."""
    config = SessionConfig("simulated-2wiki", {}, "random", {}, 0, 0.0, "", {}, trials, 1)
    task, search, config = prepare(config, default_budget=True)
    archive = Archive(database)
    record = archive.create_session(config)
    return SearchLoop(record.id, task, search, SimulatedExecutor(task, config.budget), archive, trials, 1)


async def by_graph(database: Database, loop: SearchLoop) -> None:
    """As a session runs it."""
    async with checkpointer(database) as checkpoints:
        await loop.run(checkpoints)


async def by_hand(loop: SearchLoop) -> int:
    """The same nodes in the same order; returns how many ran."""
    state: LoopState = {"pending": [], "finished": 0}
    steps = 0
    while len(loop.search.trials) < loop.trials:
        for node in (loop.graph().nodes[name] for name in ("propose", "execute", "guidelines")):
            state = await node.runnable.ainvoke(state)
            steps += 1
    return steps


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=5)
    options.add_argument("--trials", type=int, default=50, help="default: %(default)s")
    arguments = options.parse_args()
    wall, processor, plain = [], [], []
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as folder, Database.open(Path(folder) / "bench.db") as database:
            loop = loop_in(database, arguments.trials)
            begin, spent = time.perf_counter(), time.process_time()
            steps = asyncio.run(by_hand(loop))
            hand, hand_spent = time.perf_counter() - begin, time.process_time() - spent
            loop = loop_in(database, arguments.trials)
            begin, spent = time.perf_counter(), time.process_time()
            asyncio.run(by_graph(database, loop))
            wall.append((time.perf_counter() - begin - hand) / steps)
            processor.append((time.process_time() - spent - hand_spent) / steps)
            plain.append(hand / steps)
    ratio = [(more + alone) / alone for more, alone in zip(wall, plain, strict=True)]
    show(
        [
            Line(
                "LangGraph's share of a step, SQLite checkpointer, elapsed",
                milliseconds(wall),
                f"the step without it: {milliseconds(plain)}",
                ratio,
                "under 10 ms",
            ),
            Line("the same, processor time", milliseconds(processor), "", (), ""),
        ]
    )


if __name__ == "__main__":
    main()
