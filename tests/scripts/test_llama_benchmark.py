"""What the llama.cpp benchmark sends and counts; that it runs is a live test."""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.environment.chat_server import ChatServer, tokens_of
from tests.scripts.test_benchmarks import printed

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("bench_llama")


async def test_executor_and_loop_send_the_same_and_count_the_same(bench: Any, tmp_path: Path) -> None:
    examples = bench.prompts(5, 1, 20, random.Random(0))
    some = bench.bodies([(example, range(3)) for example in examples])
    sent = []
    for way in ("executor", "loop"):
        async with ChatServer(latency=0.05) as server:
            if way == "executor":
                tokens, under_way = await bench.by_executor(server.base_url, examples, 3, 2, tmp_path)
            else:
                tokens, under_way = await bench.by_loop(server.base_url, some, 2)
            assert server.most_in_flight == 2
            assert under_way >= 5 * 0.05
            assert tokens == sum(tokens_of(choice["message"]["content"]) for choice in choices_of(server))
            sent.append(sorted(json.dumps(body, sort_keys=True) for body in server.bodies))
    assert sent[0] == sent[1] == sorted(json.dumps(body, sort_keys=True) for body in some)


def choices_of(server: ChatServer) -> list[dict[str, Any]]:
    """What a server answers to all that it was asked."""
    replies = [server.complete(body) for body in list(server.bodies)]
    return [choice for reply in replies for choice in json.loads(reply.content or "")["choices"]]


def test_prompts_of_a_document_share_it_and_all_are_equally_long(bench: Any) -> None:
    some = [question.id for question in bench.prompts(3, 4, 50, random.Random(0))]
    documents = [prompt.partition(". ")[0] for prompt in some]
    assert (len(set(documents)), len(set(some))) == (3, 12)
    assert documents == [documents[place - place % 4] for place in range(12)]
    assert {len(prompt.split()) for prompt in some} == {50 + 8}


def test_blocks_go_there_and_back_and_are_paired(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def way(name: str, tokens: int) -> Any:
        async def send() -> tuple[int, float]:
            begun.append(name)
            await asyncio.sleep(0.05)
            return tokens, 0.1

        return send

    spent = iter(range(0, 100, 2))
    monkeypatch.setattr(bench, "server_seconds", lambda: next(spent))
    ours, loop = bench.there_and_back([way("ours", 60), way("loop", 30)])
    assert begun == ["ours", "loop", "loop", "ours"]
    assert [[one.worth for one in blocks] for blocks in (ours, loop)] == [[30, 30], [15, 15]]
    assert all(30 / one.rate >= 0.05 and 0 < one.under_way <= 2 for one in loop)
    assert bench.joined([[ours, loop], [ours, loop]]) == [ours * 2, loop * 2]


def test_the_server_s_processor_seconds_are_those_of_what_was_started(bench: Any) -> None:
    before = bench.server_seconds()
    work = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 0.2 < bench.server_seconds() - before < 2
        process.communicate()


@pytest.mark.live
def test_it_prints_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = "--runs 1 --prompts 2 --documents 2 --questions 2 --words 40"
    rows = printed("bench_llama", small, monkeypatch, capsys, tmp_path)
    assert len(rows) == 11
    assert all(float(row[3].split()[0]) > 0 for row in rows)
