"""What goes wrong around a session is told in one line, damages nothing, and the session goes on afterwards."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import storage.database
from agent.checkpoints import checkpoint_path
from agent.session import Result, load_result, resume, run
from storage.database import Database
from storage.session import SessionState
from tools.errors import StorageError, UnknownSession

SLOW = pytest.mark.slow
AGENTTTS = [sys.executable, "-c", "from agenttts.cli.app import main; main()"]
SEARCH = ["search", "simulated-hotpot", "--set", "draw=3", "--batch", "4", "--trials"]


def search(url: str, trials: int = 8) -> Result:
    return run("simulated-hotpot", None, "planner", trials, 0, url, batch=4, task_options={"draw": 3})


def of(result: Result) -> object:
    return result.trials, result.guidelines, result.evaluations


@cache
def undisturbed() -> object:
    return of(search("sqlite://"))


def agenttts(
    *arguments: str, cwd: Path, before: list[str] | None = None, limit: Callable[[], None] | None = None
) -> tuple[int, str]:
    command = [*(before or []), *AGENTTTS, *arguments]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False, preexec_fn=limit, env=_environment()
    )
    return done.returncode, done.stderr


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@SLOW
def test_a_full_disk_is_one_line_and_the_session_goes_on_once_there_is_room(tmp_path: Path) -> None:
    def no_more_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (280_000, 280_000))

    code, told = agenttts(*SEARCH, "8", "--storage", "full.db", cwd=tmp_path, limit=no_more_room)
    assert code == 1
    assert told.splitlines()[-1].endswith("the disk is full or fails; make room or name a file elsewhere")
    assert "Traceback" not in told
    url = f"sqlite:///{tmp_path / 'full.db'}"
    assert load_result("last", url).state is not SessionState.COMPLETE
    assert of(resume("last", url)) == undisturbed()


@SLOW
def test_a_read_only_file_is_shown_and_not_searched_into(tmp_path: Path) -> None:
    before = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root may write everything, and setpriv is not there to take that away")
        before = ["setpriv", "--bounding-set", "-dac_override"]
    file = tmp_path / "read.db"
    search(f"sqlite:///{file}", trials=1)
    file.chmod(0o444)
    content = file.read_bytes()
    code, told = agenttts(*SEARCH, "1", "--storage", "read.db", cwd=tmp_path, before=before)
    assert (code, told) == (
        1,
        "Failed: database sqlite:///read.db: it is read-only; check the file's permissions\n",
    )
    assert file.read_bytes() == content


def test_a_locked_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.database, "BUSY_TIMEOUT_MS", 50)
    url = f"sqlite:///{tmp_path / 'locked.db'}"
    Database.open(url).close()
    with sqlite3.connect(tmp_path / "locked.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"locked.db: another program holds it; stop that one or wait$"):
            search(url)
        other.execute("ROLLBACK")
    other.close()
    assert search(url, trials=1).state is SessionState.COMPLETE


@pytest.mark.parametrize("harm", ["truncated", "overwritten", "emptied of its header"])
def test_a_damaged_file_is_one_line_and_stays_as_it_is(tmp_path: Path, harm: str) -> None:
    file = tmp_path / "damaged.db"
    url = f"sqlite:///{file}"
    search(url, trials=1)
    content = bytearray(file.read_bytes())
    if harm == "truncated":
        del content[20_000:]
    elif harm == "overwritten":
        for page in range(1, len(content) // 4096):
            content[page * 4096 : page * 4096 + 2000] = bytes(range(200)) * 10
    else:
        content[:100] = bytes(100)
    file.write_bytes(content)
    for use in (search, lambda url: resume("last", url), lambda url: load_result("last", url)):
        with pytest.raises(StorageError, match=r"damaged.db(: it is damaged| is not a SQLite database); "):
            use(url)
    assert file.read_bytes() == content


@pytest.mark.parametrize("harm", ["garbage", "stale", *(pytest.param(h, marks=SLOW) for h in ("missing", "truncated"))])
def test_the_checkpoints_can_be_lost(tmp_path: Path, harm: str) -> None:
    url, file = f"sqlite:///{tmp_path / 'a.db'}", checkpoint_path(tmp_path / "a.db")
    search(url)
    with sqlite3.connect(tmp_path / "a.db") as connection:  # as if killed in the second batch
        connection.execute("UPDATE sessions SET state = 'running'")
        connection.execute("DELETE FROM evaluations")
        connection.execute("DELETE FROM guidelines WHERE batch > 0")
        connection.execute("UPDATE trials SET state = 'waiting', score = NULL WHERE number > 5")
        connection.execute("DELETE FROM stage_scores WHERE trial_id IN (SELECT id FROM trials WHERE number > 5)")
        connection.execute("DELETE FROM trial_draws WHERE trial_id IN (SELECT id FROM trials WHERE number > 5)")
        connection.execute("DELETE FROM evaluation_draws")
    connection.close()
    if harm == "missing":
        file.unlink()
    elif harm == "garbage":
        file.write_bytes(b"no database at all " * 500)
    elif harm == "truncated":
        file.write_bytes(file.read_bytes()[:9000])
    assert of(resume("last", url)) == undisturbed()


@pytest.mark.parametrize("stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=SLOW)])
def test_a_stopped_search_says_how_it_goes_on(tmp_path: Path, stop: signal.Signals) -> None:
    command = [*AGENTTTS, *SEARCH, "400", "--storage", "stopped.db"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=_environment())
    url = f"sqlite:///{tmp_path / 'stopped.db'}"
    while not (tmp_path / "stopped.db").exists() or not _trials(url):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(stop)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    session = load_result("last", url)
    assert session.state is SessionState.INTERRUPTED
    assert told.splitlines()[-1] == (
        "Interrupted. Finished work is stored; go on with: "
        f"agenttts resume {session.session_id} --storage sqlite:///stopped.db"
    )
    assert all(trial.state != "running" for trial in session.trials)


def _trials(url: str) -> int:
    try:
        return sum(trial.score is not None for trial in load_result("last", url).trials)
    except UnknownSession:
        return 0
