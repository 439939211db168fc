"""What the recorded benchmark's requests took, and how well the fitted line of the latency cost tells it.

    python scripts/measured_costs.py

Every mean is over the requests of one subtask, model and number of generations; the line is fitted to all
requests of the subtask and model together (tools.measured).
"""

from __future__ import annotations

import argparse
import asyncio
import math
from collections import defaultdict
from statistics import fmean

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from environment.executor import Executor
from environment.measuring import NotingSampler, covering, measured_recording, requests_of
from environment.memory_store import MemoryStore
from environment.multihop.recorded import STRATEGIES, recorded_task
from environment.task import Task
from storage.sample import Sample
from tools.token_use import Call

Requests = dict[tuple[str, str, int], list[list[Sample]]]


async def sent(task: Task) -> Requests:
    """The recorded requests by subtask, model and number of generations."""
    store = MemoryStore()
    sampler = NotingSampler(store, task.connect())
    runner = Executor(task, sampler, math.inf)
    for allocation in covering(task):
        await runner.run(allocation, task.search_examples)
    found: Requests = defaultdict(list)
    for (subtask, model), keys in sampler.noted.items():
        for samples in store.fetch(keys).values():
            for request in requests_of(samples):
                found[subtask, model, len(request)].append(request)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategy", choices=STRATEGIES, default="fusion")
    task = recorded_task(strategy=parser.parse_args().strategy)
    measured = measured_recording(task)
    headings = ("subtask", "model", "generations", "requests", "prompt tokens", "tokens each", "seconds", "by the line")
    table = Table(*headings, box=MARKDOWN)
    for (subtask, model, size), requests in asyncio.run(sent(task)).items():
        line = measured.of(subtask, model)
        prompt = fmean(request[0].prompt_tokens for request in requests)
        length = fmean(sample.generation_tokens for request in requests for sample in request)
        seconds = fmean(request[0].latency for request in requests)
        told = line.seconds(Call(prompt, length, generations=size))
        cells = (f"{len(requests):,}", f"{prompt:,.0f}", f"{length:.1f}", f"{seconds:.2f}", f"{told:.2f}")
        table.add_row(subtask, model, str(size), *cells)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
