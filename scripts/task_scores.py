"""Scores the stages of a live task for each model, sample count and strategy, the same in every stage.

    python scripts/task_scores.py automation --model NAME:PARAMETERS@URL --samples 1 8 --strategy majority fusion

Prints a Markdown table: each stage's metric over the examples, with its 95% interval. Generations are
kept in `--storage` and not made twice.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from collections.abc import Iterator, Mapping
from typing import Any

from agenttts.cli.options import task_options
from environment.executor import Executor
from environment.loading import load_task
from environment.sampler import Sampler
from environment.side_by_side import side_by_side
from environment.task import Task
from environment.trial_runner import Outcome
from storage.database import Database
from storage.samples import SampleStore
from tools.space import Allocation, Choice


async def outcome(task: Task, choice: Choice, store: SampleStore) -> Outcome:
    """The task's search examples with the same choice in every stage."""
    backends = task.connect()
    executor = Executor(task, Sampler(store, backends), math.inf)
    try:
        return await executor.run(Allocation({stage.name: choice for stage in task.stages}), task.search_examples)
    finally:
        await side_by_side(backend.aclose() for backend in set(backends.values()))


def rows(arguments: argparse.Namespace, options: Mapping[str, Any], store: SampleStore) -> Iterator[list[str]]:
    """The table's rows, as they come in."""
    tasks = [
        load_task(arguments.task, **options, search_examples=arguments.examples, strategy=strategy)
        for strategy in arguments.strategy
    ]
    yield ["model", "strategy", "samples", *(f"{name} ({metric})" for name, metric in tasks[0].metrics.items())]
    yield ["---"] * (3 + len(tasks[0].stages))
    for model in tasks[0].space.subtasks[0].models:
        for strategy, task in zip(arguments.strategy, tasks, strict=True):
            for samples in arguments.samples:
                found = asyncio.run(outcome(task, Choice(model.name, samples), store))
                scores = [(score.mean, score.interval) for score in found.stage_scores.values()]
                shown = [f"{mean:.2f} ({interval.low:.2f} to {interval.high:.2f})" for mean, interval in scores]
                yield [model.name, strategy, str(samples), *shown]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--model", action="append", required=True, help="NAME:PARAMETERS@URL; give it once for each")
    parser.add_argument("--samples", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--strategy", nargs="+", default=["majority", "fusion"])
    parser.add_argument("--examples", type=int, default=24)
    parser.add_argument("--set", action="append", dest="settings", help="an option of the task, NAME=VALUE")
    parser.add_argument("--storage", default="sqlite://", help="where generations are kept (%(default)s)")
    arguments = parser.parse_args()
    with Database.open(arguments.storage) as database:
        for row in rows(arguments, task_options(arguments.settings, arguments.model), SampleStore(database)):
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
