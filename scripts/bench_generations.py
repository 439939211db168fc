"""Generations: what a search issues beside what every trial from scratch would, and beside the least possible.

From scratch means that a trial generates all that it draws, as code without a store does. The bound is the number of
distinct samples that the visited allocations draw: no search that visits them can do with fewer.

python scripts/bench_generations.py                         # recorded generations, and the same served over HTTP
python scripts/bench_generations.py --live MODEL@URL ...    # a small search of live models instead
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench_script import Line, parser, show

sys.path.insert(0, str(Path(__file__).parents[1]))  # the server that serves the recording is the tests' own

from agent.session import Result, run
from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from environment.executor import Executor
from environment.loading import load_task
from environment.multihop.recorded import RECORDING, load_recording
from environment.sampler import Sampler
from environment.task import Task
from storage.database import Database
from storage.samples import SampleStore
from tests.environment.loopback_server import in_a_thread
from tests.environment.recorded_server import RecordedServer


async def bound(task: Task, result: Result, source: SampleStore) -> int:
    """How many distinct samples the visited allocations draw, found by running them again from the store."""
    executor = Executor(task, Sampler(source, task.connect()), result.config.budget)
    most: dict[str, int] = {}
    for trial in result.trials:
        outcome = await executor.run(trial.allocation, task.search_examples)
        for key, count in outcome.draws.items():
            most[key] = max(count, most.get(key, 0))
        if outcome.usage.paid:
            raise SystemExit("a sample of the search was not in its store")
    return sum(most.values())


def searched(name: str, task: Task, searcher: str, trials: int, budget: float | None = None) -> Line:
    """A search's figures."""
    with tempfile.TemporaryDirectory() as folder:
        storage = str(Path(folder) / "bench.db")
        result = run(task, budget, searcher, trials, storage=storage)
        with Database.open(storage) as database:
            least = asyncio.run(bound(task, result, SampleStore(database)))
    used = result.usage
    return Line(
        f"{name}, {searcher}, {len(result.trials)} trials at budget {result.config.budget:.4g}",
        f"{used.paid:,} generations",
        f"from scratch {used.requested:,}; at least {least:,} are needed, issued {used.paid / least:.4f} times that",
        [used.paid / used.requested],
        "at most 0.1; within 1% of the least",
    )


def served(task: Task, url: str) -> Task:
    """The recorded task with a server in place of its recording."""
    endpoint = Endpoint(url, concurrency=64)
    names = {model.name for subtask in task.space.subtasks for model in subtask.models}

    def connect() -> dict[str, OpenAIBackend]:
        backend = OpenAIBackend(endpoint)
        return dict.fromkeys(names, backend)

    return replace(task, connect=connect)


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=1)
    options.add_argument("--trials", type=int, default=50, help="default: %(default)s")
    options.add_argument("--searchers", nargs="+", default=["planner", "random", "tpe"], help="default: %(default)s")
    options.add_argument("--live", nargs="+", default=[], metavar="MODEL", help="as --model of agenttts search")
    options.add_argument("--live-examples", type=int, default=4, help="default: %(default)s")
    options.add_argument("--live-budget", type=float, help="default: the task's")
    options.add_argument("--live-samples", type=int, default=8, help="of a stage at most, default: %(default)s")
    arguments = options.parse_args()
    if arguments.live:
        few = {"search_examples": arguments.live_examples, "held_out_examples": 1}
        live = load_task("multihop", models=arguments.live, max_samples=arguments.live_samples, **few)
        show(
            [
                searched("live", live, searcher, arguments.trials, arguments.live_budget)
                for searcher in arguments.searchers
            ]
        )
        return
    task = load_task("multihop-recorded")
    usual = task.space.default_budget(task.cost)
    lines = [searched("recorded", task, searcher, arguments.trials) for searcher in arguments.searchers]
    lines.append(searched("recorded", task, arguments.searchers[0], arguments.trials, 2 * usual))
    server = RecordedServer(source=load_recording(RECORDING))
    with in_a_thread(server):
        line = searched("served over HTTP", served(task, server.base_url), arguments.searchers[0], arguments.trials)
    twice = sum(count - 1 for count in server.made.values())
    lines.append(replace(line, ours=f"{line.ours}; the server made {twice} of its {server.made.total():,} twice"))
    show(lines)


if __name__ == "__main__":
    main()
