from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import agenttts as tts
from agenttts.cli.app import main
from agenttts.dashboard.application import COOKIE, DashboardSettings, application
from agenttts.dashboard.control import Control
from storage.archive import Archive
from storage.database import Database
from storage.listing import listed_sessions
from storage.session import SessionState
from storage.workers import Workers
from tools.trial import Guideline

HOST = "127.0.0.1:8901"
TOKEN = "token-of-the-test"  # noqa: S105 - no secret
SCRIPT = "<script>window.taken=1</script>"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two finished sessions of one problem and one of another."""
    url = f"sqlite:///{tmp_path_factory.mktemp('ui') / 'ui.db'}"
    for searcher, task in (("planner", "simulated-2wiki"), ("random", "simulated-2wiki"), ("random", "simulated-cwq")):
        tts.run(task, trials=7, searcher=searcher, storage=url)
    return url


@pytest.fixture
def client(storage: str) -> TestClient:
    app = application(DashboardSettings(storage, TOKEN, (HOST,)))
    return TestClient(app, base_url=f"http://{HOST}", follow_redirects=False)


def ids(storage: str) -> list[str]:
    with Database.open(storage) as database:
        return [one.record.id for one in listed_sessions(database)]


@pytest.fixture
def running(storage: str, tmp_path: Path) -> tuple[str, str]:
    """A database of its own with one session that this process is at; the session's id."""
    with Database.open(storage) as database:
        config = Archive(database).session("last").config
    url = f"sqlite:///{tmp_path / 'running.db'}"
    with Database.open(url) as database:
        session = Archive(database).create_session(replace(config, task=f"simulated-cwq{SCRIPT}")).id
        Workers(database).register(session)
    return url, session


def test_sessions_are_listed_the_newest_first(client: TestClient, storage: str) -> None:
    page = client.get("/").text
    found = re.findall(r'href="/sessions/(\w+)"', page)
    assert found == ids(storage)
    assert page.count("7 of 7") == 3
    assert page.count('class="state complete"') == 3


def test_a_session_is_shown_with_its_report(client: TestClient, storage: str) -> None:
    session = ids(storage)[-1]
    page = client.get(f"/sessions/{session}")
    assert page.status_code == 200
    assert "simulated" in page.text.lower()
    assert "What was concluded" in page.text
    assert page.text.count("<circle") == 7
    assert 'data-running="no"' in page.text
    report = client.get(f"/sessions/{session}/report")
    assert f"report of session {session}" in report.text
    assert client.get(f"/sessions/{session}/live").text in page.text


def test_sessions_are_compared_and_what_cannot_be_is_said(client: TestClient, storage: str) -> None:
    cwq, random, planner = ids(storage)
    same = client.get("/compare", params={"session": [planner, random]}).text
    assert same.count("<polyline") == 2
    assert "cannot be compared" not in same
    assert "cannot be compared" in client.get("/compare", params={"session": [planner, cwq]}).text
    one = client.get("/compare", params={"session": [planner]})
    assert (one.status_code, "choose 2 to 8 sessions" in one.text) == (400, True)


def test_what_is_not_there_is_a_page_too(client: TestClient) -> None:
    page = client.get("/sessions/nope")
    assert page.status_code == 404
    assert "no session is called" in page.text
    assert client.get("/?page=99999999999").status_code == 200


def test_nothing_changes_without_the_token(client: TestClient, storage: str) -> None:
    session = ids(storage)[0]
    assert "disabled" not in client.get("/").text
    for path in (f"/sessions/{session}/stop", f"/sessions/{session}/resume"):
        assert client.post(path).status_code == 403
        assert client.get(path).status_code == 405
    assert COOKIE not in client.get("/", params={"token": "guessed"}).headers.get("set-cookie", "")


def test_the_token_stops_a_running_session(running: tuple[str, str]) -> None:
    url, session = running
    client = TestClient(application(DashboardSettings(url, TOKEN, (HOST,))), base_url=f"http://{HOST}")
    page = client.get(f"/sessions/{session}").text
    assert "disabled" in page
    assert SCRIPT not in page
    came = client.get("/", params={"token": TOKEN}, follow_redirects=False)
    assert came.headers["location"] == "/"
    assert "HttpOnly" in came.headers["set-cookie"]
    assert "SameSite=strict" in came.headers["set-cookie"]
    assert "disabled" not in client.get(f"/sessions/{session}").text
    foreign = client.post(f"/sessions/{session}/stop", headers={"origin": "http://evil.example"})
    assert foreign.status_code == 403
    stopped = client.post(f"/sessions/{session}/stop", headers={"origin": f"http://{HOST}"})
    assert stopped.status_code == 200
    assert "1 process at it" in stopped.text
    with Database.open(url) as database:
        (worker,) = Workers(database).of(session)
        assert Archive(database).session(session).state is SessionState.STOPPING
        Workers(database).leave(worker)
        assert Archive(database).session(session).state is SessionState.INTERRUPTED
    assert "Resume" in client.get(f"/sessions/{session}").text


def test_a_resumed_session_that_fails_says_why(running: tuple[str, str]) -> None:
    url, session = running
    control = Control(url)
    control.resume(session)
    assert control.is_running(session)
    control.resume(session)  # not a second time
    control._running[session].wait(60)
    assert "unknown name" in control.last_words(session)


def test_a_session_whose_process_died_can_be_resumed(running: tuple[str, str]) -> None:
    url, session = running
    with Database.open(url) as database:
        (worker,) = Workers(database).of(session)
        Workers(database).leave(worker)
        assert [one.standing for one in listed_sessions(database)] == ["abandoned"]
    client = TestClient(application(DashboardSettings(url, TOKEN, (HOST,))), base_url=f"http://{HOST}")
    page = client.get(f"/sessions/{session}").text
    assert "no process is at it any more" in page
    assert "Stop" not in page


def test_other_hosts_are_not_answered(storage: str) -> None:
    app = application(DashboardSettings(storage, TOKEN, (HOST,)))
    assert TestClient(app, base_url="http://evil.example").get("/").status_code == 403


def test_texts_of_others_are_escaped(storage: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hostile.db'}"
    result = tts.run("simulated-2wiki", trials=7, searcher="random", storage=url)
    with Database.open(url) as database:
        archive = Archive(database)
        archive.add_guideline(result.session_id, Guideline(0, SCRIPT, SCRIPT))
        archive.set_state(result.session_id, SessionState.FAILED, SCRIPT)
    page = TestClient(application(DashboardSettings(url, TOKEN, (HOST,))), base_url=f"http://{HOST}")
    shown = page.get(f"/sessions/{result.session_id}")
    assert SCRIPT not in shown.text
    assert shown.text.count("&lt;script&gt;window.taken=1") >= 3
    assert "script-src 'self'" in shown.headers["content-security-policy"]


@pytest.mark.parametrize("database", ["nowhere/x.db", "mysql://x"])
def test_a_database_that_cannot_be_used_is_one_line(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["agenttts", "ui", "--port", "0", "--storage", database])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
