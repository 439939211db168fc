"""Reports as people open them: drawn in full, without a network, and running nothing that others wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import agenttts as tts
from environment.backend import Receiver
from environment.task import Task
from storage.archive import Archive
from storage.database import Database
from storage.sample import GenerationRequest, Message, Sample
from storage.session import SessionState
from storage.transcript import Transcript
from tests.agent.reporting.browser import NARROW, WIDE, Browser, open_browser
from tests.environment.tiny_task import CountingBackend, EchoStage, tiny_task
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask
from tools.trial import Guideline, Trial, TrialState

ATTACKS = (
    "<script>window.taken=1</script>",
    "</script></style></textarea><script>window.taken=2</script>",
    "\"'><img src=x onerror=window.taken=3>",
    "<svg onload=window.taken=4><a href='javascript:window.taken=5'>%{x} ${7*7} {{7*7}}</a>",
    "<!--<script>",
    "\u2028\u202e]]>\x1b[31m",
)
ATTACK = " ".join(ATTACKS)


class HostileStage(EchoStage):
    metric = "EM<script>window.taken=6</script>"

    def messages(self, example: Any, upstream: Mapping[str, Any]) -> tuple[Message, ...]:
        return (Message("user", f"{ATTACK} {example.number} {sorted(upstream.items())}"),)


class HostileExample:
    def __init__(self, number: int) -> None:
        self.id = f"{number} <script>window.taken=7</script>"
        self.number = number
        self.gold = ATTACK


class HostileBackend(CountingBackend):
    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        await receiver.deliver(
            {index: Sample(f"{index} {ATTACK}", 5, 1, finish_reason=ATTACKS[2][:60]) for index in indices}
        )


def hostile_task() -> Task:
    """Every name and text of it that a report shows attacks the report."""
    models = [Model(f"small {ATTACKS[0]}", 3e9, 1.0, 2.0), Model(f"large {ATTACKS[3]}", 30e9, 10.0, 20.0)]
    stages = [HostileStage(f"first {ATTACKS[2]}"), HostileStage(f"second {ATTACKS[1]}")]
    space = SearchSpace([Subtask(s.name, models, prompt_tokens=128, generation_tokens=64) for s in stages], 8)
    backend = HostileBackend()
    return Task(
        name=f"task {ATTACK}",
        description=ATTACK,
        stages=tuple(stages),
        space=space,
        cost=FlopsCost(),
        search_examples=[HostileExample(number) for number in range(4)],
        held_out_examples=[HostileExample(number) for number in range(4, 8)],
        strategies={stage.name: "fusion" for stage in stages},
        connect=lambda: {model.name: backend for model in models},
        recorded_from=ATTACK,
    )


def write_hostile(folder: Path) -> Path:
    url, task = f"sqlite:///{folder / 'hostile.db'}", hostile_task()
    session = tts.run(task, trials=8, storage=url).session_id
    with Database.open(url) as database:
        archive = Archive(database)
        first, second = (subtask.name for subtask in task.space.subtasks)
        model = task.space.subtasks[0].models[0].name
        allocation = Allocation({first: Choice(model, 8), second: Choice(model, 7)})
        archive.add_trials(session, [Trial(8, allocation, 1.0, TrialState.RUNNING, ATTACK, ATTACK, batch=2)])
        archive.save_trial(session, Trial(8, allocation, 1.0, TrialState.FAILED, error=ATTACK))
        archive.add_guideline(session, Guideline(2, ATTACK, ATTACKS[0]))
        archive.add_transcripts(session, [Transcript(0, 0, "propose", ATTACK, (), ATTACK)])
        archive.set_state(session, SessionState.FAILED, ATTACK)
    return tts.load_result(session, url).report(folder / "hostile.html", task=task)


def write_live(folder: Path) -> Path:
    """A search like a live one: nothing recorded, generations paid, stopped before its end, no task at hand."""
    url = f"sqlite:///{folder / 'live.db'}"
    session = tts.run(tiny_task(CountingBackend()), trials=6, storage=url).session_id
    with Database.open(url) as database:
        Archive(database).set_state(session, SessionState.INTERRUPTED)
    result = tts.load_result(session, url)
    return replace(result, evaluations=()).report(folder / "live.html")


def write_recorded(folder: Path) -> Path:
    url = f"sqlite:///{folder / 'recorded.db'}"
    for searcher, trials in (("random", 3), ("tpe", 3), ("planner", 12)):
        result = tts.run(searcher=searcher, trials=trials, storage=url)
    return result.report(folder / "recorded.html", trials=[0], examples=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    with open_browser(folder) as browser:
        yield browser


@pytest.fixture(scope="module")
def recorded(folder: Path, browser: Browser) -> Path:
    return write_recorded(folder)


@pytest.fixture(scope="module")
def hostile(folder: Path, browser: Browser) -> Path:
    return write_hostile(folder)


def is_whole(browser: Browser, path: Path) -> None:
    """Every figure is drawn within the page, nothing was asked of a network and nothing is complained of."""
    figures = browser.run(
        """return [...document.querySelectorAll('.plot')].map(place => {
            const drawing = place.querySelector('.main-svg');
            return [place.id || place.dataset.figure, place.data.length > 0, drawing.getBoundingClientRect().width,
                    drawing.getBoundingClientRect().height, place.clientWidth]})"""
    )
    for name, filled, width, height, room in figures:
        assert filled, name
        assert 100 < width <= room + 1, name
        assert height > 100, name
    assert browser.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_every_figure_is_drawn_without_a_network(browser: Browser, recorded: Path, size: tuple[int, int]) -> None:
    browser.show(recorded, size=size)
    is_whole(browser, recorded)
    assert browser.run("return document.querySelectorAll('.plot').length") == 7


CONTRAST = """
const luminance = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
const behind = element => { for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour; } return [255, 255, 255]; };
const low = [];
for (const element of document.querySelectorAll('body *')) {
    if (element.closest('svg, .hidden, script, style') || !element.checkVisibility()) continue;
    if (![...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const [one, other] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) low.push([element.className, element.textContent.slice(0, 40), ratio]);
}
return low;
"""


def test_light_and_dark_are_legible_and_figures_follow(browser: Browser, recorded: Path) -> None:
    ink = {}
    for dark in (False, True):
        browser.show(recorded, dark=dark)
        assert browser.run(CONTRAST) == []
        ink[dark] = browser.run("return document.querySelector('.plot .xtick text').style.fill")
    assert ink[False] != ink[True]
    scheme = {"name": "prefers-color-scheme", "value": "light"}
    browser.command("Emulation.setEmulatedMedia", features=[scheme])
    browser.wait(f"return document.querySelector('.plot .xtick text').style.fill === {ink[False]!r}")


def test_the_page_can_be_read_without_seeing_its_figures(browser: Browser, recorded: Path) -> None:
    browser.show(recorded)
    levels = browser.run("return [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    figures = browser.run(
        """return [...document.querySelectorAll('figure')].map(figure =>
            [figure.querySelector('[role=img]').getAttribute('aria-label').length,
             figure.querySelectorAll('details table tbody tr').length])"""
    )
    assert all(label > 40 and rows > 0 for label, rows in figures)
    assert browser.run(
        "return [...document.querySelectorAll('a[href^=\"#\"]')].every(a => "
        "document.getElementById(a.getAttribute('href').slice(1)))"
    )
    assert browser.run(
        "const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.length === new Set(ids).size"
    )


def test_tables_sort_and_links_open_examples(browser: Browser, recorded: Path) -> None:
    browser.show(recorded)
    scores = "return [...document.querySelectorAll('#trials tbody tr')].map(row => +row.cells[5].textContent)"
    before = browser.run(scores)
    for order in (sorted(before), sorted(before, reverse=True)):
        browser.run("document.querySelectorAll('#trials th button')[5].click()")
        assert browser.run(scores) == order
    browser.run("document.querySelector('.strip a').click()")
    browser.wait("return document.querySelector('details.example[open]') !== null")


def test_a_page_prints_in_light_colours_with_every_batch_open(browser: Browser, recorded: Path, folder: Path) -> None:
    browser.show(recorded, dark=True)
    browser.print_to(folder / "printed.pdf")
    pages = len(re.findall(rb"/Type\s*/Page\b", (folder / "printed.pdf").read_bytes()))
    assert 4 <= pages <= 40
    assert browser.run("return [...document.querySelectorAll('details.batch')].every(batch => batch.open)")


def test_texts_of_others_are_shown_and_never_run(browser: Browser, hostile: Path, folder: Path) -> None:
    # Once as it is, where a blocked script would be complained of, and once without the policy that blocks it.
    bare = folder / "bare.html"
    page = hostile.read_text(encoding="utf-8")
    bare.write_text(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page), encoding="utf-8")
    for path in (hostile, bare):
        browser.show(path)
        browser.run(
            """for (const details of document.querySelectorAll('details')) details.open = true;
            for (const place of document.querySelectorAll('.plot')) place.data.forEach((trace, curve) => {
                try { Plotly.Fx.hover(place, [{curveNumber: curve, pointNumber: 0}]); } catch { /* no point */ } });
            for (const element of document.querySelectorAll('body *:not(svg *)'))
                element.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));"""
        )
        is_whole(browser, path)
        assert browser.run("return window.taken") is None
        added = """return document.querySelectorAll("img, iframe, [onload], [onerror], [onmouseover], a[href^='java'], "
            + "svg a, script:not([type='application/json'])").length"""
        assert browser.run(added) == 2, "the page's own two scripts and nothing else"
        shown = browser.run("return document.body.textContent")
        for attack in ATTACKS[:4]:
            assert attack in shown
        assert "\\x1b[31m" in shown


def test_a_stopped_live_search_says_what_it_lacks(browser: Browser, folder: Path) -> None:
    path = write_live(folder)
    browser.show(path)
    is_whole(browser, path)
    shown = browser.run("return document.body.innerText")
    assert "best allocation so far" in shown
    assert "agenttts resume" in shown
    assert "Some of what needs the task is left out" in shown
    assert "were produced and paid" in shown


def write_comparison(folder: Path) -> Path:
    """Two tasks and searchers, one of them with a name that attacks the page."""
    searchers = [tts.SearcherEntry("random"), tts.SearcherEntry("tpe", label=ATTACKS[2])]
    tasks = [tts.TaskEntry("contrary-size"), tts.TaskEntry("contrary-size", label=ATTACKS[1])]
    comparison = tts.compare(tasks, searchers, seeds=2, trials=6, batch=3, workers=1, budgets=["low"])
    return comparison.report(folder / "comparison.html")


@pytest.mark.slow
def test_a_comparison_is_drawn_whole(browser: Browser, folder: Path) -> None:
    path = write_comparison(folder)
    browser.show(path, size=NARROW)
    is_whole(browser, path)
    assert browser.run(CONTRAST) == []
    # Wins; differences on all problems; regret, arrivals and differences of each task.
    assert browser.run("return document.querySelectorAll('.plot').length") == 2 + 2 * 3
    assert browser.run("return window.taken") is None
    shown = browser.run("return document.body.textContent")
    assert ATTACKS[1] in shown
    assert ATTACKS[2] in shown
