"""Sessions under caps on spending, checked by the server's own count of what it generated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.session import load_result, resume, run
from environment.backends.endpoint import Endpoint
from storage.database import Database
from storage.samples import SampleStore
from storage.session import SessionState
from tests.agent.test_faulty_endpoints import SEED, TRIALS, found, undisturbed
from tests.environment.faulty_recording import FaultyRecording, faulty_recording
from tests.environment.served import served
from tests.postgresql import POSTGRESQL, on_postgresql
from tools.errors import InvalidInput, SpendingCapReached
from tools.spending import SpendingCaps

ROOT = Path(__file__).parents[2]
MOST_AT_ONCE = 16
"""The most samples that one request of these searches asks for."""
IN_FLIGHT = Endpoint("http://127.0.0.1/v1").concurrency * MOST_AT_ONCE


def made(faulty: FaultyRecording) -> int:
    """Every sample that the server generated, by its own count."""
    return sum(faulty.server.made.values())


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'spending.db'}"


def search(faulty: FaultyRecording, folder: Path, caps: SpendingCaps) -> Any:
    return run(faulty.task(), trials=TRIALS, seed=SEED, batch=2, storage=url(folder), spending=caps)


def test_a_cap_ends_the_run_cleanly_and_a_higher_one_goes_on_to_the_same_result(tmp_path: Path) -> None:
    with faulty_recording(share=0.0) as faulty:
        with pytest.raises(SpendingCapReached, match="--max-generations 60 leaves no room") as stopped:
            search(faulty, tmp_path, SpendingCaps(max_generations=60))
        assert 60 - MOST_AT_ONCE < made(faulty) <= 60
        result = load_result("last", url(tmp_path))
        assert result.state is SessionState.INTERRUPTED
        assert result.problem == str(stopped.value)
        assert f"agenttts resume {result.session_id} --max-generations" in result.problem
        assert result.spending.spent.generations == made(faulty)
        with Database.open(url(tmp_path)) as database:
            assert SampleStore(database).count() == made(faulty), "what was under way is stored"
        before = made(faulty)
        with pytest.raises(SpendingCapReached):
            resume("last", url(tmp_path), task=faulty.task())
        assert made(faulty) - before < MOST_AT_ONCE
        assert made(faulty) <= 60, "the cap holds over all runs"
        whole = resume("last", url(tmp_path), task=faulty.task(), spending=SpendingCaps(max_generations=10**6))
        assert found(whole) | {"fresh": None} == undisturbed() | {"fresh": None}
        assert set(faulty.server.made.values()) == {1}
        assert whole.spending.spent.generations == made(faulty)
        assert whole.problem == ""


def test_tokens_are_capped_and_a_deadline_ends_the_run(tmp_path: Path) -> None:
    with faulty_recording(share=0.0) as faulty:
        with pytest.raises(SpendingCapReached, match="--max-tokens 9000"):
            search(faulty, tmp_path, SpendingCaps(max_tokens=9000))
        result = load_result("last", url(tmp_path))
        assert 0 < result.spending.spent.tokens <= 9000
        passed = SpendingCaps(deadline=datetime.now(UTC) - timedelta(seconds=1))
        before = made(faulty)
        with pytest.raises(SpendingCapReached, match=r"--deadline .* has passed"):
            resume("last", url(tmp_path), task=faulty.task(), spending=passed)
        assert made(faulty) == before
        assert load_result("last", url(tmp_path)).spending.caps == SpendingCaps(max_tokens=9000).changed_by(passed)


def test_faults_are_kept_with_the_session_and_what_they_lost_counts(tmp_path: Path) -> None:
    with faulty_recording(kinds=("503", "truncated"), share=0.2, seed=3) as faulty:
        result = search(faulty, tmp_path, SpendingCaps())
    kinds = {fault.kind.value: fault for fault in result.faults}
    assert {"server error", "unreadable answer", "answer lost"} <= set(kinds)
    injected = faulty.proxy.injected
    assert sum(f.count for f in result.faults if f.kind.value == "server error") == injected["503"]
    assert all(fault.retried == fault.count for name, fault in kinds.items() if name == "server error")
    stored = result.spending.spent.generations
    lost = sum(fault.lost_generations for fault in result.faults)
    assert lost > 0
    assert made(faulty) <= stored, "what the server made and nobody got is counted at its most"


def test_a_cap_on_dollars_without_prices_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="max_dollars: nothing that multihop-recorded sends has a price"):
        run(trials=3, storage=url(tmp_path), spending=SpendingCaps(max_dollars=1.0))
    assert not (tmp_path / "spending.db").exists()


KILLED = """
import sys
from agent.session import run
from tests.environment.faulty_recording import behind
from tools.spending import SpendingCaps
run(behind(sys.argv[1]), trials={trials}, seed={seed}, batch=2, storage=sys.argv[2],
    spending=SpendingCaps(max_generations=int(sys.argv[3])))
"""


def start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment, stderr=subprocess.PIPE)


def test_after_a_kill_the_cap_holds_for_what_the_dead_process_sent(tmp_path: Path) -> None:
    cap = 150
    with faulty_recording(share=0.0) as faulty:
        code = KILLED.format(trials=TRIALS, seed=SEED)
        process = start(code, faulty.proxy.base_url, url(tmp_path), str(cap))
        until = time.monotonic() + 60
        while made(faulty) < 60 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        _, err = process.communicate()
        assert made(faulty) >= 60, err.decode()
        with pytest.raises(SpendingCapReached):
            resume("last", url(tmp_path), task=faulty.task())
        assert made(faulty) <= cap + IN_FLIGHT
        standing = load_result("last", url(tmp_path)).spending
        assert made(faulty) <= standing.spent.generations + standing.reserved.generations <= cap
        whole = resume("last", url(tmp_path), task=faulty.task(), spending=SpendingCaps(max_generations=10**6))
        assert found(whole) | {"fresh": None} == undisturbed() | {"fresh": None}


DRAWING = """
import asyncio, sys
from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from environment.session_sampler import session_sampler
from environment.loading import load_task
from storage.database import Database
from storage.lease import Lease
from storage.sample import GenerationRequest, Message, SamplingParameters

async def main():
    base_url, storage, session, name = sys.argv[1:]
    with Database.open(storage) as database, Lease(database, session) as lease:
        backend = OpenAIBackend(Endpoint(base_url, concurrency=4))
        sampler = session_sampler(
            load_task("multihop-recorded"), database, session, lease.worker.id, {"m": backend}
        )
        prompts = [(Message("user", f"{name} {n}"),) for n in range(60)]
        asked = [GenerationRequest("m", prompt, SamplingParameters(0.9, 8)) for prompt in prompts]
        draws = (sampler.draw(request, 3, sampler.ledger()) for request in asked)
        results = await asyncio.gather(*draws, return_exceptions=True)
        await sampler.flush()
        await backend.aclose()
        print(sorted({type(result).__name__ for result in results}))

asyncio.run(main())
"""


def two_processes_share(storage: str, cap: int) -> None:
    from agenttts.testing.storages import CONFIG
    from storage.archive import Archive
    from storage.spending import SessionSpending
    from storage.workers import Workers

    with served() as server, Database.open(storage) as database:
        session = Archive(database).create_session(CONFIG).id
        SessionSpending(database, session, Workers(database).register(session).id, SpendingCaps(max_generations=cap))
        both = [start(DRAWING, server.url, storage, session, name) for name in ("first", "second")]
        assert [process.wait(60) for process in both] == [0, 0], [process.stderr.read() for process in both]  # type: ignore[union-attr]
        for process in both:
            process.stderr.close()  # type: ignore[union-attr]
        drawn = len(server.server.drawn)
        assert cap - 3 < drawn <= cap
        standing = Archive(database).spending(session)
        assert (standing.spent.generations, standing.reserved.generations) == (drawn, 0)
        assert SampleStore(database).count() == drawn


@pytest.mark.slow
def test_two_processes_share_a_cap_on_sqlite(tmp_path: Path) -> None:
    two_processes_share(url(tmp_path), 100)


@on_postgresql
def test_two_processes_share_a_cap_on_postgresql() -> None:
    two_processes_share(POSTGRESQL, 100)
