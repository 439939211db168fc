"""Replay: how fast trials on the recorded benchmark are scored, and how long a comparison on it takes.

A trial is warm when each of its parts was run before in the process, and half warm when its samples are in the
database but it was not. Its database reads are those of the samples that it drew.

python scripts/bench_replay.py
python scripts/bench_replay.py --compare-seeds 30     # the comparison takes minutes
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_script import Line, milliseconds, parser, ratios, show, spread

from environment.executor import Executor
from environment.loading import load_task
from environment.sampler import Sampler
from environment.task import Task
from storage.database import Database
from storage.samples import SampleStore
from tools.space import Allocation

MAIN = "import sys; sys.argv[0] = 'agenttts'; from agenttts.cli.app import main; main()"
SEARCHERS = ("planner", "random", "tpe", "gp", "cmaes")


async def replay(task: Task, allocations: list[Allocation], store: SampleStore) -> tuple[list[float], ...]:
    """Processor seconds of each trial half warm, of each warm, and of each one's database reads."""
    budget = task.space.default_budget(task.cost)
    filling = Executor(task, Sampler(store, task.connect()), budget)
    for allocation in allocations:
        await filling.run(allocation, task.search_examples)
    executor = Executor(task, Sampler(store, task.connect()), budget)
    first, again, reads = [], [], []
    for times in (first, again):
        for allocation in allocations:
            begin = time.process_time()
            outcome = await executor.run(allocation, task.search_examples)
            times.append(time.process_time() - begin)
            if times is first:
                begin = time.process_time()
                # Stage after stage, as the prompts of one come from the samples before.
                store.fetch(outcome.draws)
                reads.append(time.process_time() - begin)
    return first, again, reads


def comparison(seeds: int, trials: int) -> tuple[float, float]:
    """Elapsed seconds of a comparison, start to end, and the processor seconds of all its processes."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["compare", "multihop-recorded", "--seeds", str(seeds), "--trials", str(trials), "--plots", "none"]
        arguments += ["--searchers", ",".join(SEARCHERS), "--output", str(Path(folder) / "out")]
        begin = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", MAIN, *arguments], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"compare ended with {process.returncode}")
        return time.perf_counter() - begin, used.ru_utime + used.ru_stime


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=3)
    options.add_argument("--trials", type=int, default=50, help="default: %(default)s")
    options.add_argument("--compare-seeds", type=int, default=0, help="seeds of the comparison, default: none is made")
    arguments = options.parse_args()
    task = load_task("multihop-recorded")
    allocations = list(task.space.allocations(task.space.default_budget(task.cost), task.cost))
    first, warm, reads = [], [], []
    for run in range(arguments.runs):
        chosen = random.Random(run).sample(allocations, min(arguments.trials, len(allocations)))
        with tempfile.TemporaryDirectory() as folder, Database.open(Path(folder) / "bench.db") as database:
            times = asyncio.run(replay(task, chosen, SampleStore(database)))
        for found, every in zip((first, warm, reads), times, strict=True):
            found.append(statistics.fmean(every))
    lines = [
        Line(
            f"a warm trial ({len(task.search_examples)} examples, {len(task.stages)} stages), processor time",
            f"{milliseconds(warm)}, {spread([1 / value for value in warm])} trials a second",
            f"the database reads of one: {milliseconds(reads)}",
            ratios(warm, reads),
            "at most 2 ms beyond the reads, 500 a second",
        ),
        Line("the same, half warm, with its reads", milliseconds(first), "", ratios(first, reads), ""),
    ]
    if arguments.compare_seeds:
        elapsed, processor = comparison(arguments.compare_seeds, arguments.trials)
        runs = arguments.compare_seeds * len(SEARCHERS)
        lines.append(
            Line(
                f"compare over {arguments.compare_seeds} seeds x {', '.join(SEARCHERS)} x {arguments.trials} trials",
                f"{elapsed:.1f} s elapsed, {1000 * elapsed / runs / arguments.trials:.1f} ms a trial",
                f"processor time of all processes: {processor:.1f} s",
                [elapsed / processor],
                "under 2 minutes on 2 cores",
            )
        )
    show(lines)


if __name__ == "__main__":
    main()
