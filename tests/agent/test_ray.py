"""Searches spread over Ray's own two-node cluster on this machine: the local executor's result, whatever is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from agent.session import Result, load_result, resume, run
from storage.database import Database
from storage.samples import SampleStore
from storage.session import SessionState
from tests.agent.test_faulty_endpoints import SEED, TRIALS, found, undisturbed
from tests.environment.chat_server import error
from tests.environment.faulty_recording import behind
from tests.environment.slow_server import slow_server
from tools.errors import ClusterError, EndpointError, SpendingCapReached
from tools.spending import SpendingCaps

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed"),
]

ROOT = Path(__file__).parents[2]
NAMED = "tests.environment.faulty_recording:behind"
SMALL = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
SECONDS_TO_STORE = 0.5
"""How long an answer may take from the server to the disk; one that is lost there was under way."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head node; the tests add what they need. Its nodes alone have the key."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OPENAI_API_KEY", "sk-of-the-nodes")
        patch.setenv("PYTHONPATH", str(ROOT))
        # A lost node is noticed within seconds instead of half a minute.
        health = {
            "health_check_initial_delay_ms": 0,
            "health_check_period_ms": 500,
            "health_check_failure_threshold": 4,
        }
        started = Cluster(initialize_head=True, head_node_args={**SMALL, "_system_config": health})
        started.add_node(**SMALL)
        patch.delenv("OPENAI_API_KEY")
        try:
            yield started
        finally:
            started.shutdown()


def spread(cluster: Any, storage: str, task: Any, **given: Any) -> Result:
    options = {"address": cluster.address, "workers": 2} | given.pop("executor_options", {})
    settings: dict[str, Any] = {"trials": TRIALS, "seed": SEED, "batch": 2, "storage": storage}
    return run(task, executor="ray", executor_options=options, **settings | given)


def workers_on(node: Any) -> list[int]:
    """The process ids of a node's actors."""
    from ray._private.state import actors

    found = [actor for actor in actors().values() if actor["State"] == "ALIVE"]
    return [actor["Pid"] for actor in found if actor["Address"]["NodeID"] == node.node_id]


def fresh(result: dict[str, Any]) -> int:
    """Which of two trials side by side drew first is chance; their sum is not."""
    return sum(count for _, count in result["fresh"])


def without_fresh(result: dict[str, Any]) -> dict[str, Any]:
    return result | {"fresh": [requested for requested, _ in result["fresh"]]}


def test_the_result_is_the_local_one_and_every_sample_is_made_once(cluster: Any, tmp_path: Path) -> None:
    with slow_server(0.02) as server:
        result = spread(cluster, f"sqlite:///{tmp_path / 'a.db'}", NAMED, task_options={"url": server.base_url})
        assert without_fresh(found(result)) == without_fresh(undisturbed())
        assert fresh(found(result)) == fresh(undisturbed())
        assert set(server.made.values()) == {1}
        assert set(server.authorizations) == {"Bearer sk-of-the-nodes"}
        assert server.most_in_flight <= 8, "the workers share the endpoint's limit"
        assert result.usage.paid <= len(server.made), "the judging pays for the others"
        assert result.usage.generation_tokens > 0


def test_one_trial_at_a_time_counts_exactly_as_the_local_executor(cluster: Any, tmp_path: Path) -> None:
    with slow_server(0.0) as server:
        one = {"trials_at_once": 1, "workers": 3}
        storage = f"sqlite:///{tmp_path / 'a.db'}"
        assert found(spread(cluster, storage, behind(server.base_url), executor_options=one)) == undisturbed()


def test_a_lost_node_costs_no_more_than_what_was_under_way(cluster: Any, tmp_path: Path) -> None:
    reached, killed = Event(), []

    def heard(count: int) -> None:
        if count >= 40:
            reached.set()

    node = next(iter(cluster.worker_nodes))

    def lose() -> None:
        assert reached.wait(120)
        workers = workers_on(node)
        start = time.monotonic()
        for pid in [*workers, node.all_processes["raylet"][0].process.pid]:
            os.kill(pid, signal.SIGKILL)
        killed.append((len(workers), start, time.monotonic()))
        cluster.remove_node(node, allow_graceful=False)

    with slow_server(0.3) as server:
        server.heard = heard
        losing = Thread(target=lose)
        losing.start()
        result = spread(cluster, f"sqlite:///{tmp_path / 'a.db'}", behind(server.base_url))
        losing.join()
        ((workers, start, end),) = killed
        assert workers == 1
        assert without_fresh(found(result)) == without_fresh(undisturbed())
        assert fresh(found(result)) == fresh(undisturbed())
        assert server.repeated <= server.under_way(start - SECONDS_TO_STORE, end)
        assert set(server.made.values()) <= {1, 2}
    cluster.add_node(**SMALL)


def test_an_endpoint_that_fails_ends_the_session_as_it_does_locally(cluster: Any, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'a.db'}"
    with slow_server(0.01) as server:
        served = server.complete
        server.complete = lambda body: error("down", status=503) if len(server.bodies) > 40 else served(body)  # type: ignore[method-assign]
        with pytest.raises(EndpointError, match="gave up after 2 attempts; the last one: status 503"):
            spread(cluster, storage, behind(server.base_url, max_attempts=2))
        failed = load_result("last", storage)
        assert failed.state is SessionState.FAILED
        server.complete = served  # type: ignore[method-assign]
        result = resume("last", storage, task=behind(server.base_url))
        assert without_fresh(found(result)) == without_fresh(undisturbed())
        assert set(server.made.values()) == {1}


def test_a_cap_on_spending_holds_for_all_workers_together(cluster: Any, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'a.db'}"
    with slow_server(0.01) as server:
        with pytest.raises(SpendingCapReached):
            spread(cluster, storage, behind(server.base_url), spending=SpendingCaps(max_generations=60))
        assert 0 < sum(server.made.values()) <= 60
        assert load_result("last", storage).state is SessionState.INTERRUPTED


def test_a_cluster_without_room_is_said(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("environment.cluster.ray_workers.SECONDS_TO_START", 5.0)
    with pytest.raises(ClusterError, match="has not started 2 workers within 5 s"):
        spread(
            cluster, f"sqlite:///{tmp_path / 'a.db'}", behind("http://127.0.0.1:9/v1"), executor_options={"cpus": 64}
        )


def test_an_interrupt_stores_what_is_under_way_and_the_session_goes_on_elsewhere(cluster: Any, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'a.db'}"
    with slow_server(0.3) as server:
        reached = Event()
        server.heard = lambda count: reached.set() if count >= 20 else None
        command = [
            sys.executable,
            "-c",
            "from agenttts.cli.app import main; main()",
            "search",
            NAMED,
            "--set",
            f"url={server.base_url}",
        ]
        command += ["--trials", str(TRIALS), "--seed", str(SEED), "--batch", "2", "--storage", storage]
        command += ["--executor", "ray", "--executor-set", f"address={cluster.address}", "--executor-set", "workers=2"]
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        ) as search:
            assert reached.wait(120)
            search.send_signal(signal.SIGINT)
            _, shown = search.communicate(timeout=90)
        assert search.returncode != 0
        assert "Traceback" not in shown
        assert server.in_flight == 0
        assert load_result("last", storage).state is SessionState.INTERRUPTED
        with Database.open(storage) as database:
            assert SampleStore(database).count() == len(server.made)
        result = resume("last", storage)
        assert without_fresh(found(result)) == without_fresh(undisturbed())
        assert set(server.made.values()) == {1}
