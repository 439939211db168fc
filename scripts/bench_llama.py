"""A real llama.cpp server: how near the executor comes to what it can do, and what batching and order gain.

It serves SmolLM2-135M-Instruct, which is fetched where it is missing (scripts/local_models.py). All is measured
against one warm server, in short blocks that go there and back (ours, the loop, the loop, ours), so that a change of
the machine's load meets both; a ratio is that of two blocks side by side. The figures for a processor second of the
server are what others' work hardly touches.

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
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
from storage.sample import GenerationRequest, Message, Sample, SamplingParameters
from storage.samples import SampleStore
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask

MODEL = "smollm2-135m-instruct"
WORDS = ("river", "stone", "market", "garden", "engine", "letter", "winter", "island", "mirror", "copper")
PARTS = ("throughput", "order")
_serial = itertools.count()


class Told(Asked):
    """A few sentences of an answer to a question after a document."""

    sampling = SamplingParameters(temperature=0.8, max_tokens=24)

    def messages(self, example: Question, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        return (Message("user", example.id),)


def prompts(documents: int, questions: int, words: int, rng: random.Random) -> list[Question]:
    """Questions after documents of so many words, those on a document one after the other."""
    return [
        Question(f"{document}. Tell a story of a {rng.choice(WORDS)} number {number}.")
        for document in (" ".join(rng.choices(WORDS, k=words)) for _ in range(documents))
        for number in range(questions)
    ]


Run = tuple[Question, range]
"""A request: an example's prompt, and which of its samples are asked for."""


def bodies(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """What the executor's backend sends for the runs, one by one."""
    requests = [(GenerationRequest(MODEL, Told().messages(example, {}), Told.sampling), run) for example, run in runs]
    return [request_body(request, run, 0, Ability()) for request, run in requests]


@contextmanager
def llama(slots: int, cache_ram: int, cache: str | None) -> Iterator[str]:
    """The address of a running server."""
    script = str(Path(__file__).with_name("local_models.py"))
    command = [sys.executable, script, "serve", MODEL, "--port", "0", "--parallel", str(slots), "--threads", "1"]
    command += ["--cache-ram", str(cache_ram), *(["--cache", cache] if cache else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            yield process.stdout.readline().strip().partition("@")[2]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


Sent = tuple[int, float]
"""Tokens that the server counted, and the seconds that all requests together were under way."""


async def by_executor(url: str, examples: Sequence[Question], samples: int, in_flight: int, folder: Path) -> Sent:
    """Every example's samples through the executor, on disk before its example goes on."""
    backend = OpenAIBackend(Endpoint(url, concurrency=in_flight))
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
    latencies: list[float] = []

    def told(_: str, answer: Sequence[Sample]) -> None:
        latencies.append(answer[0].latency)

    with Database.open(folder / f"{next(_serial)}.db") as database:
        executor = Executor(task, Sampler(SampleStore(database), task.connect(), told=told), math.inf)
        outcome = await executor.run(Allocation({"qa": Choice(MODEL, samples)}), examples)
    await backend.aclose()
    return outcome.usage.generation_tokens, sum(latencies)


async def by_loop(url: str, some: Sequence[Mapping[str, Any]], in_flight: int) -> Sent:
    """The bodies in their order, as fast as the server takes them."""
    waiting, tokens, under_way = iter(some), 0, 0.0
    limits = httpx2.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx2.AsyncClient(limits=limits, timeout=600) as client:

        async def work() -> None:
            nonlocal tokens, under_way
            for body in waiting:
                begin = time.perf_counter()
                answer = (await client.post(f"{url}/chat/completions", json=body)).json()
                under_way += time.perf_counter() - begin
                tokens += sum(len(choice["logprobs"]["content"]) for choice in answer["choices"])

        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(work())
    return tokens, under_way


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


@dataclass(frozen=True, slots=True)
class Block:
    """What a block came to: tokens a second, and a processor second of the server, and requests under way at once."""

    rate: float
    worth: float
    under_way: float


def block(send: Callable[[], Awaitable[Sent]]) -> Block:
    """Sends and measures."""

    async def timed() -> tuple[Sent, float, float]:
        begin, spent = time.perf_counter(), server_seconds()
        sent = await send()
        return sent, time.perf_counter() - begin, server_seconds() - spent

    (tokens, under_way), elapsed, spent = asyncio.run(timed())
    found = Block(tokens / elapsed, tokens / spent, under_way / elapsed)
    print(f"{tokens} tokens in {elapsed:.1f} s, {spent:.1f} s of the server's: {found}", file=sys.stderr, flush=True)
    return found


def there_and_back(ways: Sequence[Callable[[], Awaitable[Sent]]]) -> list[list[Block]]:
    """Two blocks of every way: all in turn, and all in turn from the last to the first."""
    there = [block(way) for way in ways]
    back = [block(way) for way in reversed(ways)][::-1]
    return [list(pair) for pair in zip(there, back, strict=True)]


def joined(runs: Sequence[Sequence[Sequence[Block]]]) -> list[list[Block]]:
    """All blocks of each way."""
    return [[one for pair in way for one in pair] for way in zip(*runs, strict=True)]


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=4)
    options.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="default: %(default)s")
    options.add_argument("--slots", type=int, default=4, help="the server's, default: %(default)s")
    options.add_argument("--samples", type=int, default=2, help="of each prompt, default: %(default)s")
    options.add_argument("--prompts", type=int, default=10, help="of a block of throughput, default: %(default)s")
    options.add_argument("--documents", type=int, default=4, help="of a block of order, default: %(default)s")
    options.add_argument("--questions", type=int, default=3, help="on each document, default: %(default)s")
    options.add_argument("--words", type=int, default=200, help="of a document, default: %(default)s")
    options.add_argument(
        "--cache-ram", type=int, default=0, help="MiB that the server keeps beside its slots, default: %(default)s"
    )
    options.add_argument("--cache", default=os.environ.get("AGENTTTS_MODELS"), help="folder of the model files")
    arguments = options.parse_args()
    with (
        llama(arguments.slots, arguments.cache_ram, arguments.cache) as url,
        tempfile.TemporaryDirectory() as folder,
    ):
        bench = Bench(url, arguments.samples, arguments.slots, Path(folder))
        asyncio.run(by_loop(url, bodies([(one, range(1)) for one in prompts(4, 1, 30, random.Random(-1))]), 1))
        lines = []
        if "throughput" in arguments.parts:
            lines += throughput_lines(arguments, bench)
        if "order" in arguments.parts:
            lines += order_lines(arguments, bench)
    show(lines)


@dataclass(frozen=True, slots=True)
class Bench:
    """A server, and how it is driven."""

    url: str
    samples: int
    slots: int
    folder: Path

    @property
    def in_flight(self) -> int:
        """Requests for all samples of a prompt that the slots hold."""
        return max(1, self.slots // self.samples)

    def throughput(self, examples: Sequence[Question]) -> list[list[Block]]:
        """The executor and the loop, with the same bodies."""
        some = bodies([(example, range(self.samples)) for example in examples])
        return there_and_back(
            [
                lambda: by_executor(self.url, examples, self.samples, self.in_flight, self.folder),
                lambda: by_loop(self.url, some, self.in_flight),
            ]
        )

    def order(self, fresh: Callable[[], list[Question]]) -> list[list[Block]]:
        """The executor; requests for all samples, documents mixed and adjacent; one sample a request, mixed.

        Every block has prompts of its own, so that none finds another's in the server's cache.
        """

        def mixed() -> list[Question]:
            examples = fresh()
            return random.Random(next(_serial)).sample(examples, len(examples))

        def batched(examples: Sequence[Question]) -> Awaitable[Sent]:
            return by_loop(self.url, bodies([(each, range(self.samples)) for each in examples]), self.in_flight)

        def naive() -> Awaitable[Sent]:
            each = range(self.samples)
            runs = [(example, range(index, index + 1)) for index in each for example in mixed()]
            return by_loop(self.url, bodies(runs), self.slots)

        return there_and_back(
            [
                lambda: by_executor(self.url, mixed(), self.samples, self.in_flight, self.folder),
                lambda: batched(mixed()),
                lambda: batched(fresh()),
                naive,
            ]
        )


def _compared(figure: str, ours: Sequence[Block], name: str, reference: Sequence[Block], asked: str) -> list[Line]:
    worth = [[one.worth for one in blocks] for blocks in (ours, reference)]
    rate = [[one.rate for one in blocks] for blocks in (ours, reference)]
    return [
        Line(
            f"tokens for a processor second of the server: {figure}",
            spread(worth[0]),
            f"{name}: {spread(worth[1])}",
            ratios(*worth),
            asked,
        ),
        Line("the same, a second elapsed", spread(rate[0]), f"{name}: {spread(rate[1])}", ratios(*rate), asked),
    ]


def throughput_lines(arguments: Any, bench: Bench) -> list[Line]:
    """How near the executor comes to the plain loop."""
    examples = [prompts(arguments.prompts, 1, 60, random.Random(run)) for run in range(arguments.runs)]
    ours, loop = joined([bench.throughput(some) for some in examples])
    size = f"{arguments.prompts} prompts, {arguments.samples} samples each, {arguments.slots} slots"
    busy = [[one.under_way for one in blocks] for blocks in (ours, loop)]
    return [
        *_compared(f"the executor, {size}", ours, "the same requests by a plain loop", loop, "at least 0.98"),
        Line("requests under way at once, on average", spread(busy[0]), f"the loop: {spread(busy[1])}", ratios(*busy)),
    ]


def order_lines(arguments: Any, bench: Bench) -> list[Line]:
    """What requests for all samples and the gate's order gain."""
    rng = random.Random(0)

    def fresh() -> list[Question]:
        return prompts(arguments.documents, arguments.questions, arguments.words, rng)

    ours, mixed, adjacent, naive = joined([bench.order(fresh) for _ in range(arguments.runs)])
    size = f"{arguments.documents} documents of {arguments.words} words, {arguments.questions} questions on each"
    return [
        *_compared(f"the executor, {size}", ours, "one sample a request, in random order", naive, "a gain"),
        *_compared("`n` samples a request, in random order", mixed, "one sample a request", naive, "a gain"),
        *_compared("the executor's order", ours, "the same requests in random order", mixed, "a gain"),
        *_compared("the executor's order", ours, "those on a document sent one after the other", adjacent, "a gain"),
    ]


if __name__ == "__main__":
    main()
