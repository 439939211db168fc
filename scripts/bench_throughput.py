"""Live throughput: the executor against a stub server beside the least that sends the same requests.

The stub (scripts/stub_server.py, simulated) answers every request after a fixed time. The reference is a plain loop
of an HTTP client: as many workers as requests in flight, each of which sends a body, reads the answer's JSON and
takes the next. Ours renders the prompts, sends them through limits, circuit and accounting, checks the answers and
puts every sample into SQLite before its example goes on. With --session it also claims each generation, so that
no other process makes it too, and keeps the session's account, as every search does.

python scripts/bench_throughput.py
"""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from bench_script import Line, parser, ratios, show, spread

from environment.backends.chat_request import Ability, request_body
from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from environment.executor import Executor
from environment.long_lived import spared_by_collections
from environment.sampler import Sampler
from environment.session_sampler import session_sampler
from environment.stage import Stage
from environment.task import Task
from storage.archive import Archive
from storage.database import Database
from storage.sample import GenerationRequest, Message, SamplingParameters
from storage.samples import SampleStore
from storage.session import SessionConfig
from storage.workers import Workers
from tools.errors import AgentttsError
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask

PROMPT = "Some words that a prompt may hold. " * 24
MODEL = Model("stub", 1e9)


@dataclass(frozen=True)
class Question:
    """An example: its number makes its prompt its own."""

    id: str


class Asked(Stage):
    """One request an example; every answer is right."""

    name, metric = "qa", "answered"
    sampling = SamplingParameters(temperature=0.7, max_tokens=32)

    def messages(self, example: Question, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        return (Message("user", f"{PROMPT}{example.id}"),)

    def fusion_messages(
        self, example: Question, upstream: Mapping[str, Any], responses: Sequence[str]
    ) -> tuple[Message, ...]:
        return self.messages(example, upstream)

    def parse(self, text: str, example: Question) -> str:
        return text

    def vote(self, outputs: Sequence[str]) -> str:
        return outputs[0]

    def score(self, output: str, example: Question) -> float:
        return float(bool(output))


@contextmanager
def stub(latency: float) -> Iterator[str]:
    """The address of a running stub server."""
    command = [sys.executable, str(Path(__file__).with_name("stub_server.py")), str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(10)


Spent = tuple[float, float]
"""Elapsed and processor seconds, once the connections are open."""


async def by_executor(url: str, examples: Sequence[Question], in_flight: int, folder: Path, in_session: bool) -> Spent:
    """Every example through the executor, its samples on disk."""
    backend = OpenAIBackend(Endpoint(url, concurrency=in_flight))
    space = SearchSpace([Subtask("qa", [MODEL], prompt_tokens=200, generation_tokens=6)], 1)
    task = Task(
        name="stub",
        description="",
        stages=(Asked(),),
        space=space,
        cost=FlopsCost(),
        search_examples=examples,
        held_out_examples=examples,
        strategies={"qa": "single"},
        connect=lambda: {"stub": backend},
    )
    with Database.open(folder / f"{time.monotonic_ns()}.db") as database:
        if in_session:
            session = (
                Archive(database).create_session(SessionConfig("stub", {}, "random", {}, 0, 1.0, "flops", {}, 1, 1)).id
            )
            worker = Workers(database).register(session).id
            sampler = session_sampler(task, database, session, worker, task.connect())
        else:
            sampler = Sampler(SampleStore(database), task.connect())
        executor = Executor(task, sampler, math.inf)
        allocation = Allocation({"qa": Choice("stub", 1)})
        await executor.run(allocation, examples[:in_flight])
        begin, spent = time.perf_counter(), time.process_time()
        outcome = await executor.run(allocation, examples[in_flight:])
        found = time.perf_counter() - begin, time.process_time() - spent
        await sampler.finish(AgentttsError("the benchmark is over"))
    await backend.aclose()
    if outcome.usage.paid != len(examples) - in_flight:
        raise SystemExit(f"{outcome.usage.paid} of {len(examples) - in_flight} requests were answered")
    return found


async def by_loop(url: str, bodies: Sequence[Mapping[str, Any]], in_flight: int) -> Spent:
    """The same requests by an HTTP client alone."""
    limits = httpx2.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx2.AsyncClient(limits=limits, timeout=60) as client:

        async def work(waiting: Iterator[Mapping[str, Any]]) -> None:
            for body in waiting:
                answer = await client.post(f"{url}/chat/completions", json=body)
                answer.json()["choices"][0]["message"]["content"]

        async def send(some: Sequence[Mapping[str, Any]]) -> None:
            waiting = iter(some)
            async with asyncio.TaskGroup() as group:
                for _ in range(in_flight):
                    group.create_task(work(waiting))

        await send(bodies[:in_flight])
        begin, spent = time.perf_counter(), time.process_time()
        await send(bodies[in_flight:])
        return time.perf_counter() - begin, time.process_time() - spent


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=3)
    options.add_argument("--latency", type=float, default=0.2, help="seconds, default: %(default)s")
    options.add_argument("--in-flight", type=int, nargs="+", default=[1, 64, 512], help="default: %(default)s")
    options.add_argument("--session", action="store_true", help="with a session's claims and account")
    options.add_argument("--rounds", type=int, default=10, help="requests for each in flight, default: %(default)s")
    options.add_argument("--least", type=int, default=30, help="requests at least, default: %(default)s")
    arguments = options.parse_args()
    lines = []
    with stub(arguments.latency) as url, tempfile.TemporaryDirectory() as folder:
        for in_flight in arguments.in_flight:
            timed = max(arguments.least, arguments.rounds * in_flight)
            examples = [Question(f"question {number}") for number in range(in_flight + timed)]
            requests = [GenerationRequest("stub", Asked().messages(e, {}), Asked.sampling) for e in examples]
            bodies = [request_body(request, range(1), 0, Ability()) for request in requests]
            ours, plain = [], []
            with spared_by_collections():  # both, as searches are
                for _ in range(arguments.runs):
                    plain.append(asyncio.run(by_loop(url, bodies, in_flight)))
                    ours.append(asyncio.run(by_executor(url, examples, in_flight, Path(folder), arguments.session)))
            rates = [[timed / elapsed for elapsed, _ in runs] for runs in (ours, plain)]
            spent = [[1000 * processor / timed for _, processor in runs] for runs in (ours, plain)]
            lines.append(
                Line(
                    f"requests a second at {in_flight} in flight, {arguments.latency:g} s each",
                    spread(rates[0]),
                    f"the loop: {spread(rates[1])}",
                    ratios(*rates),
                    "at least 0.95",
                )
            )
            lines.append(
                Line(
                    f"processor time of a request at {in_flight} in flight",
                    spread(spent[0], "ms"),
                    f"the loop: {spread(spent[1], 'ms')}",
                    ratios(*spent),
                    "at most 1.5",
                )
            )
    show(lines)


if __name__ == "__main__":
    main()
