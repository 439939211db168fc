"""A real llama.cpp server: how near the executor comes to what it can do, and what batching and order gain.

It serves SmolLM2-135M-Instruct, which is fetched where it is missing (scripts/local_models.py). Every measurement
has prompts of its own, of equal length, so that none finds another's in the server's cache.

python scripts/bench_llama.py
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from bench_script import Line, parser, ratios, show, spread
from bench_throughput import Asked, Question

from environment.backends.chat_request import Ability, request_body
from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from environment.executor import Executor
from environment.sampler import Sampler
from environment.task import Task
from storage.database import Database
from storage.sample import GenerationRequest, Message, SamplingParameters
from storage.samples import SampleStore
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask

MODEL = "smollm2-135m-instruct"
DOCUMENTS = 4
"""Long beginnings that several prompts share."""
WORDS = ("river", "stone", "market", "garden", "engine", "letter", "winter", "island", "mirror", "copper")
_serial = itertools.count()


class Told(Asked):
    """A few sentences of an answer to a question after a document; documents differ between measurements."""

    sampling = SamplingParameters(temperature=0.8, max_tokens=24)

    def messages(self, example: Question, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        return (Message("user", example.id),)


def prompts(count: int) -> list[Question]:
    """New prompts, those that share a document one after the other."""
    rng = random.Random(next(_serial))
    documents = [" ".join(rng.choices(WORDS, k=150)) for _ in range(DOCUMENTS)]
    return [
        Question(f"{document}. Tell a story of a {rng.choice(WORDS)} number {number}.")
        for document in documents
        for number in range(count // DOCUMENTS)
    ]


@contextmanager
def llama(parallel: int, cache: str | None) -> Iterator[str]:
    """The address of a running server."""
    script = str(Path(__file__).with_name("local_models.py"))
    command = [sys.executable, script, "serve", MODEL, "--port", "0", "--parallel", str(parallel)]
    command += ["--threads", "1", *(["--cache", cache] if cache else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            yield process.stdout.readline().strip().partition("@")[2]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


async def by_executor(url: str, examples: Sequence[Question], samples: int, parallel: int, folder: Path) -> int:
    """Every example's samples through the executor; how many tokens were generated."""
    backend = OpenAIBackend(Endpoint(url, concurrency=parallel))
    model = Model(MODEL, 135e6)
    task = Task(
        name="llama",
        description="",
        stages=(Told(),),
        space=SearchSpace([Subtask("qa", [model], prompt_tokens=300, generation_tokens=24)], samples),
        cost=FlopsCost(),
        search_examples=examples,
        held_out_examples=examples,
        strategies={"qa": "majority"},
        connect=lambda: {MODEL: backend},
    )
    with Database.open(folder / f"{next(_serial)}.db") as database:
        executor = Executor(task, Sampler(SampleStore(database), task.connect()), math.inf)
        outcome = await executor.run(Allocation({"qa": Choice(MODEL, samples)}), examples)
    await backend.aclose()
    return outcome.usage.generation_tokens


async def by_loop(url: str, runs: Sequence[tuple[Question, range]], parallel: int) -> int:
    """The runs of samples in their order, as fast as the server takes them; how many tokens were generated."""
    requests = [(GenerationRequest(MODEL, Told().messages(e, {}), Told.sampling), run) for e, run in runs]
    waiting = iter([request_body(request, run, 0, Ability()) for request, run in requests])
    tokens = 0
    async with httpx2.AsyncClient(limits=httpx2.Limits(max_connections=parallel), timeout=600) as client:

        async def work() -> None:
            nonlocal tokens
            for body in waiting:
                answer = (await client.post(f"{url}/chat/completions", json=body)).json()
                tokens += sum(len(choice["logprobs"]["content"]) for choice in answer["choices"])

        async with asyncio.TaskGroup() as group:
            for _ in range(parallel):
                group.create_task(work())
    return tokens


def server_seconds() -> float:
    """Processor seconds of all processes that this one started and that still run (Linux)."""
    ticks, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)], ticks[int(path.parent.name)] = int(fields[1]), sum(map(int, fields[11:13]))
    ours = {os.getpid()}
    for _ in range(3):
        ours |= {pid for pid, parent in parents.items() if parent in ours}
    return sum(ticks[pid] for pid in ours - {os.getpid()} if pid in ticks) / os.sysconf("SC_CLK_TCK")


def rates(run: Callable[[], Any]) -> tuple[float, float]:
    """Tokens a second of a run that returns how many it generated, and for each processor second of the server."""
    begin, spent = time.perf_counter(), server_seconds()
    tokens: int = asyncio.run(run())
    return tokens / (time.perf_counter() - begin), tokens / (server_seconds() - spent)


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=3)
    options.add_argument("--prompts", type=int, default=16, help="default: %(default)s")
    options.add_argument("--samples", type=int, default=4, help="of each prompt, default: %(default)s")
    options.add_argument("--parallel", type=int, default=8, help="the server's slots, default: %(default)s")
    options.add_argument("--cache", default=os.environ.get("AGENTTTS_MODELS"), help="folder of the model files")
    arguments = options.parse_args()
    samples, parallel = arguments.samples, arguments.parallel
    ours, loop, naive, adjacent, shuffled = [], [], [], [], []
    with llama(parallel, arguments.cache) as url, tempfile.TemporaryDirectory() as folder:
        at_once = max(1, parallel // samples)
        for run in range(arguments.runs):
            some = prompts(arguments.prompts)
            ours.append(rates(lambda some=some: by_executor(url, some, samples, at_once, Path(folder))))
            some = [(prompt, range(samples)) for prompt in prompts(arguments.prompts)]
            loop.append(rates(lambda some=some: by_loop(url, some, at_once)))
            mixed = random.Random(run).sample(prompts(arguments.prompts), arguments.prompts)
            some = [(prompt, range(index, index + 1)) for index in range(samples) for prompt in mixed]
            naive.append(rates(lambda some=some: by_loop(url, some, parallel)))
            some = [(prompt, range(1)) for prompt in prompts(arguments.prompts)]
            adjacent.append(rates(lambda some=some: by_loop(url, some, 2)))
            some = random.Random(run).sample([(p, range(1)) for p in prompts(arguments.prompts)], arguments.prompts)
            shuffled.append(rates(lambda some=some: by_loop(url, some, 2)))
    (ours, busy), (loop, _) = zip(*ours, strict=True), zip(*loop, strict=True)
    naive, adjacent, shuffled = ([each for _, each in found] for found in (naive, adjacent, shuffled))
    size = f"{arguments.prompts} prompts, {samples} samples each"
    show(
        [
            Line(
                f"tokens a second of the executor, {size}, {parallel} slots",
                spread(ours),
                f"the same requests by a plain loop: {spread(loop)}",
                ratios(ours, loop),
                "at least 0.98",
            ),
            Line(
                "tokens for a processor second of the server: `n` samples a request, documents adjacent",
                spread(busy),
                f"one sample a request, in random order: {spread(naive)}",
                ratios(busy, naive),
                "a gain",
            ),
            Line(
                "the same, one sample of each prompt, those with a common beginning adjacent, 2 in flight",
                spread(adjacent),
                f"in random order: {spread(shuffled)}",
                ratios(adjacent, shuffled),
                "a gain",
            ),
        ]
    )


if __name__ == "__main__":
    main()
