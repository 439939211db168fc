"""The dashboard as a person uses it: a real server, a real search, a headless Chromium."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import agenttts as tts
from tests.agent.reporting.browser import Browser, open_browser

COMMAND = (sys.executable, "-c", "from agenttts.cli.app import main; main()")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where `agenttts ui` listens, with its token; two sessions are stored."""
    storage = f"sqlite:///{tmp_path / 'ui.db'}"
    for searcher in ("planner", "random"):
        tts.run("simulated-2wiki", trials=12, searcher=searcher, storage=storage)
    environment = {**os.environ, "AGENTTTS_STORAGE": storage, "PYTHONUNBUFFERED": "1"}
    command = [*COMMAND, "ui", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        try:
            yield re.findall(r"http://\S+", server.stdout.readline())[0]
        finally:
            server.terminate()
            server.wait(10)


def test_a_person_looks_around(browser: Browser, address: str) -> None:
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
