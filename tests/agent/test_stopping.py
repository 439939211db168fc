"""A running session is stopped from elsewhere: its processes leave it as they would by Ctrl-C."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from environment.sampler import SECONDS_TO_FINISH
from storage.archive import Archive
from storage.database import Database
from storage.session import SessionState
from storage.workers import Workers
from tests.environment.served import served
from tests.waiting import until
from tools.trial import TrialState

COMMAND = (sys.executable, "-c", "from agenttts.cli.app import main; main()")
LIVE = ("--set", "search_examples=10", "--set", "held_out_examples=5", "--trials", "50", "--batch", "5")


SECONDS_TO_ANSWER = 0.05
"""So long that no search ends before it is stopped."""


def started(url: str, storage: Path) -> subprocess.Popen[str]:
    models = [word for name in ("a:1B", "b:2B") for word in ("--model", f"{name}@{url}")]
    command = [*COMMAND, "search", "multihop", *models, *LIVE, "--storage", str(storage)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_session_is_stopped_from_elsewhere_and_goes_on(tmp_path: Path) -> None:
    storage = tmp_path / "stop.db"
    with served(SECONDS_TO_ANSWER) as endpoint, Database.open(storage) as database:
        archive, workers = Archive(database), Workers(database)
        with started(endpoint.url, storage) as process:
            until(lambda: any(len(workers.of(record.id)) == 1 for record in archive.sessions()))
            session = archive.session("last").id
            until(lambda: any(trial.state is TrialState.COMPLETE for trial in archive.trials(session)))
            workers.ask_to_stop(session)
            _, told = process.communicate(timeout=60)
        assert process.returncode == 130
        assert f"agenttts resume {session}" in told
        assert archive.session(session).state is SessionState.INTERRUPTED
        states = {trial.state for trial in archive.trials(session)}
        assert states == {TrialState.COMPLETE, TrialState.WAITING}
        done = {trial.number for trial in archive.trials(session) if trial.state is TrialState.COMPLETE}
        command = [*COMMAND, "resume", session, "--storage", str(storage)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as again:
            until(lambda: sum(t.state is TrialState.COMPLETE for t in archive.trials(session)) > len(done))
            workers.ask_to_stop(session)
            again.communicate(timeout=60)
        assert again.returncode == 130


@pytest.mark.slow
def test_a_second_interrupt_cuts_off_what_the_first_one_waits_for(tmp_path: Path) -> None:
    storage = tmp_path / "stop.db"
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, started(f"http://127.0.0.1:{silent.getsockname()[1]}/v1", storage) as process:
        asked, _ = silent.accept()
        assert asked.recv(1)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=SECONDS_TO_FINISH - 5)
        asked.close()
    assert process.returncode == 130
    with Database.open(storage) as database:
        session = Archive(database).session("last")
        assert f"agenttts resume {session.id}" in told
        assert session.state is SessionState.INTERRUPTED
        assert Workers(database).of(session.id) == []
        assert {trial.state for trial in Archive(database).trials(session.id)} == {TrialState.WAITING}


def test_a_session_that_nobody_works_at_is_interrupted_at_once(tmp_path: Path) -> None:
    with Database.open(tmp_path / "stop.db") as database:
        import agenttts as tts

        finished = tts.run("simulated-2wiki", trials=7, searcher="random", storage=database.url)
        archive, workers = Archive(database), Workers(database)
        workers.ask_to_stop(finished.session_id)
        assert archive.session(finished.session_id).state is SessionState.COMPLETE
        session = archive.create_session(finished.config).id
        workers.ask_to_stop(session)
        assert archive.session(session).state is SessionState.INTERRUPTED
        first, second = workers.register(session), workers.register(session)
        assert workers.take_lead(first)
        workers.ask_to_stop(session)
        assert workers.is_stopping(session)
        workers.leave(first)
        assert not workers.take_lead(workers.register(session))
        assert archive.session(session).state is SessionState.STOPPING
        for worker in workers.of(session):
            workers.leave(worker)
        assert archive.session(session).state is SessionState.INTERRUPTED
        assert workers.take_lead(workers.register(session))
        del second
