from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from agent.search import Search
from agenttts.cli.progress import EventLines, Figures, ProgressView
from environment.loading import load_task
from environment.task import Task
from storage.sample import Sample
from tools.space import Model, SearchSpace, Subtask
from tools.trial import Guideline, Trial, Usage

PRICED = Model("m", 1e9, prompt_price=1.0, generation_price=2.0)
SPACE = SearchSpace(
    [Subtask("qa", [PRICED, Model("free", 2e9)], prompt_tokens=100, generation_tokens=10)], max_samples=8
)


class Clock:
    """Seconds that pass when they are told to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def task() -> Task:
    return replace(load_task("multihop-recorded"), recorded_from="")


def searched(trials: int) -> tuple[Search, list[Trial]]:
    search = Search(SPACE, budget=100, searcher="random", seed=0)
    told = [search.tell(trial, 0.1 * trial.number + 0.1) for trial in search.ask(trials)]
    return search, [replace(trial, usage=Usage(requested=10, paid=4)) for trial in told]


def running(task: Task, clock: Clock) -> Figures:
    """Three of four trials, two seconds each, ten generations a second."""
    search, trials = searched(3)
    figures = Figures(clock)
    figures.begin(4, task, Search(SPACE, budget=100))
    for trial in trials:
        clock.seconds += 2
        figures.generated("m", [Sample("x", 1000, 500)] * 20)
        figures.finish(trial, search)
    figures.concluded = "smaller models\x1b[2J do\nmore"
    return figures


def test_the_figures_answer_what_a_person_asks(task: Task) -> None:
    clock = Clock()
    figures = running(task, clock)
    assert (figures.done, figures.trials) == (3, 4)
    assert figures.best is not None
    assert figures.best.number == 2
    assert figures.spent.generations == 60
    assert figures.spent.tokens == 90_000
    assert figures.spent.dollars == pytest.approx(60 * (1000 * 1.0 + 500 * 2.0) / 1e6)
    assert figures.reused == 18
    assert figures.rate == pytest.approx(10)
    assert figures.seconds_left == pytest.approx(6 / 4)
    clock.seconds += 100
    assert figures.rate == 0
    assert figures.seconds_left == 0


def test_no_time_is_promised_before_a_trial_has_ended(task: Task) -> None:
    figures = Figures(Clock())
    figures.begin(4, task, Search(SPACE, budget=100))
    assert figures.seconds_left is None


@pytest.mark.parametrize("width", [30, 60, 79, 80, 100, 200])
def test_every_line_fits_the_terminal(task: Task, width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(ProgressView(running(task, Clock())))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    lines = text.splitlines()
    assert len(lines) <= 7
    assert all(len(line) <= width for line in lines)
    assert "trial 4 of 4" in text
    assert "best 0.300" in text
    assert "60 paid" in text
    assert "90.0k tokens" in text
    assert "\x1b[2J" not in text


def test_events_are_one_json_line_each(task: Task) -> None:
    search, trials = searched(2)
    out = io.StringIO()
    with EventLines(out) as events:
        events._figures.begin(2, task, search)
        events.samples_generated("free", [Sample("x")])
        for trial in trials:
            events.trial_finished(trial, search)
        events.guideline_written(Guideline(0, "two\nlines", "random"))
        events.judging_started()
        events.result({"best": 1})
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["trial", "trial", "guideline", "judging", "result"]
    assert lines[1]["number"] == 1
    assert lines[1]["best"] == 1
    assert lines[1]["generations_paid"] == 1
    assert lines[1]["dollars"] is None
