"""The dashboard as a person uses it: a real server, a real search, a headless Chromium."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import agenttts as tts
from tests.agent.reporting.browser import Browser, open_browser
from tests.environment.served import served

COMMAND = (sys.executable, "-c", "from agenttts.cli.app import main; main()")


SECONDS_TO_ANSWER = 0.2
"""So long that no search ends before somebody can stop it."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@contextmanager
def dashboard(storage: str) -> Iterator[str]:
    """Where `agenttts ui` listens, with its token."""
    environment = {**os.environ, "AGENTTTS_STORAGE": storage, "PYTHONUNBUFFERED": "1"}
    command = [*COMMAND, "ui", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        try:
            yield re.findall(r"http://\S+", server.stdout.readline())[0]
        finally:
            server.terminate()
            server.wait(10)


def test_a_person_looks_around(browser: Browser, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'ui.db'}"
    for searcher in ("planner", "random"):
        tts.run("simulated-2wiki", trials=12, searcher=searcher, storage=storage)
    with dashboard(storage) as address:
        _look_around(browser, address)


def _look_around(browser: Browser, address: str) -> None:
    browser.driver.get(address)
    assert "token=" not in browser.driver.current_url
    browser.run("document.querySelectorAll('input[type=checkbox]').forEach(box => box.click())")
    browser.run("document.querySelector('form button').click()")
    browser.wait("return document.querySelectorAll('polyline').length === 2")
    browser.run("document.querySelector('thead a').click()")
    browser.wait("return document.querySelector('progress') !== null")
    assert "12 of 12 trials" in browser.run("return document.body.innerText")
    assert browser.complaints() == []
    browser.run("document.querySelectorAll('nav a')[2].click()")
    browser.wait("return document.documentElement.dataset.drawn !== undefined")
    assert browser.complaints() == []


@pytest.mark.slow
def test_a_person_stops_a_running_search_and_resumes_it(browser: Browser, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'ui.db'}"
    with served(SECONDS_TO_ANSWER) as endpoint, dashboard(storage) as address:
        models = [word for name in ("a:1B", "b:2B") for word in ("--model", f"{name}@{endpoint.url}")]
        splits = ("--set", "search_examples=10", "--set", "held_out_examples=5")
        search = [*COMMAND, "search", "multihop", *models, *splits, "--trials", "60", "--batch", "5"]
        environment = {**os.environ, "AGENTTTS_STORAGE": storage, "OPENAI_API_KEY": "none"}
        with subprocess.Popen(search, env=environment, stderr=subprocess.DEVNULL) as process:
            browser.driver.get(address)
            until(browser, "document.querySelector('.state.running') !== null", "location.reload()")
            browser.run("document.querySelector('.list a').click()")
            # It comes up to date by itself.
            browser.wait("return document.querySelector('progress').value >= 2")
            assert "1 process at it" in text_of(browser)
            browser.run("document.querySelector('form[action$=stop] button').click()")
            assert process.wait(60) == 130
            until(browser, "document.querySelector('.state.interrupted') !== null", "location.reload()")
            done = browser.run("return document.querySelector('progress').value")
            browser.run("document.querySelector('form[action$=resume] button').click()")
            browser.wait(f"return document.querySelector('progress').value > {done}")
            browser.run("document.querySelector('form[action$=stop] button').click()")
            until(browser, "document.querySelector('.state.interrupted') !== null", "location.reload()")
        assert browser.complaints() == []


def text_of(browser: Browser) -> str:
    text: str = browser.run("return document.body.innerText")
    return text


def until(browser: Browser, condition: str, step: str) -> None:
    """Repeats a step until a condition holds."""
    for _ in range(120):
        if browser.run(f"return {condition}"):
            return
        browser.run(step)
        time.sleep(0.5)
    raise AssertionError(f"it did not come to {condition}: {text_of(browser)}")
