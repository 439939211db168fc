from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.session import run
from environment.cluster.options import ClusterOptions
from environment.execution import execution
from environment.loading import load_task
from storage.archive import Archive
from storage.database import Database
from storage.session import SessionConfig
from tests.environment.tiny_task import CountingBackend, tiny_task
from tools.errors import InvalidInput, UnknownName


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"address": ""}, "executor option address: must be HOST:PORT"),
        ({"address": 7}, "executor option address: must be HOST:PORT"),
        ({"address": "ray://head:10001"}, "executor option address: .*has to run on a machine of the cluster"),
        ({"address": "head"}, "executor option address: must be HOST:PORT"),
        ({"address": "head:99999"}, "executor option address: must be HOST:PORT"),
        ({"workers": 0}, "executor option workers: must be a whole number"),
        ({"workers": "many"}, "executor option workers: must be a whole number"),
        ({"trials_at_once": 0}, "executor option trials_at_once: must be a whole number"),
        ({"trials_at_once": 2.5}, "executor option trials_at_once: must be a whole number"),
        ({"cpus": -1}, "executor option cpus: must be a number of 0 or more"),
        ({"cpus": float("nan")}, "executor option cpus: must be a number of 0 or more"),
        ({"cpus": "1"}, "executor option cpus: must be a number of 0 or more"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        ClusterOptions(**options)


@pytest.mark.parametrize(
    ("wrong", "kind", "problem"),
    [
        ({"executor": "rai"}, UnknownName, "executor: unknown name 'rai'; did you mean 'ray'"),
        ({"executor_options": {"workers": 2}}, InvalidInput, "option of executor 'local': unknown name 'workers'"),
        ({"executor": "ray", "executor_options": {"worker": 2}}, UnknownName, "did you mean 'workers'"),
        ({"executor": "ray", "storage": "sqlite://"}, InvalidInput, "storage: is in memory, where no worker sees it"),
        ({"executor": "ray", "task": "simulated-2wiki"}, InvalidInput, "executor: simulated-2wiki is simulated"),
    ],
)
def test_what_cannot_be_spread_is_refused_before_a_session_is_stored(
    wrong: dict[str, Any], kind: type[Exception], problem: str, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'refused.db'}"
    with pytest.raises(kind, match=problem):
        run(**{"trials": 2, "storage": storage} | wrong)
    with Database.open(storage) as database:
        assert Archive(database).sessions() == []


def test_a_cluster_that_does_not_answer_is_named(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    options = {"address": "127.0.0.1:9"}
    with pytest.raises(InvalidInput, match=r"executor option address: no Ray cluster answers at '127.0.0.1:9'"):
        run(trials=1, storage=f"sqlite:///{tmp_path / 'a.db'}", executor="ray", executor_options=options)


def config(**given: Any) -> SessionConfig:
    values: dict[str, Any] = {"task": "multihop-recorded", "task_options": {}, "searcher": "planner"}
    values |= {
        "searcher_options": {},
        "seed": 0,
        "budget": 1.0,
        "cost": "",
        "cost_settings": {},
        "trials": 1,
        "batch": 1,
    }
    return SessionConfig(**values | given)


def test_a_password_does_not_travel() -> None:
    from sqlalchemy import create_engine

    from storage.database import parse_url

    pytest.importorskip("psycopg")
    database = Database(create_engine(parse_url("postgresql://me:secret@host/name")))
    with (
        pytest.raises(InvalidInput, match=r"storage: has a password.*PGPASSWORD") as refused,
        execution("ray", {}, config(), load_task("multihop-recorded"), database),
    ):
        pass
    assert "secret" not in str(refused.value)
    database.close()


def test_a_task_that_cannot_be_sent_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("ray")

    class Unsendable(CountingBackend):
        def __reduce__(self) -> Any:
            raise TypeError("holds a connection")

    with pytest.raises(InvalidInput, match=r"task: 'tiny' cannot be sent to the workers \(holds a connection\)"):
        run(tiny_task(Unsendable()), trials=1, storage=f"sqlite:///{tmp_path / 'a.db'}", executor="ray")
