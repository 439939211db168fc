"""What a running search shows: trials, the best so far, what was concluded, what it cost, and how long it will take."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agenttts.cli.terminal import Terminal
from tools.spending import Spent
from tools.text import visible

if TYPE_CHECKING:
    from agent.search import Search
    from environment.task import Task
    from storage.sample import Sample
    from storage.session import SessionRecord
    from tools.space import Model
    from tools.trial import Guideline, Trial

RECENT = 10
"""Trials by whose pace the time left is judged: early ones generate more than later ones."""
RECENT_SECONDS = 60.0
"""Over how long the rate of generations is taken."""
BAR_WIDTH = 24


class Figures:
    """The numbers of a running search; `now` is a clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.started = now()
        self.trials = self.done = 0
        self.spent = Spent()
        self.priced = False
        self.reused = 0
        self.best: Trial | None = None
        self.concluded = ""
        self.verb = "paid"
        self._models: dict[str, Model] = {}
        self._ends: deque[float] = deque([self.started], maxlen=RECENT + 1)
        self._paid: deque[tuple[float, int]] = deque()

    def begin(self, trials: int, task: Task, search: Search) -> None:
        """The session's size, its models with their prices, and what is there already."""
        self.verb = "read" if task.recorded_from else "paid"
        self.trials, self.done, self.best = trials, len(search.trials) - len(search.open), search.best
        self._models = {model.name: model for subtask in search.problem.space.subtasks for model in subtask.models}
        self.concluded = search.guidelines[-1].text if search.guidelines else ""
        self._ends.append(self._now())

    def generated(self, model: str, samples: Sequence[Sample]) -> None:
        """Samples that came in and were paid for."""
        prompt = sum(sample.prompt_tokens for sample in samples)
        known = self._models.get(model)
        spent = Spent.of(known, len(samples), prompt, sum(sample.generation_tokens for sample in samples))
        self.priced = self.priced or spent.picodollars > 0
        self.spent += spent
        self._paid.append((self._now(), len(samples)))

    def finish(self, trial: Trial, search: Search) -> None:
        """A trial that is told."""
        self.done = len(search.trials) - len(search.open)
        self.reused += trial.usage.reused
        self.best = search.best
        self._ends.append(self._now())

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._now() - self.started

    @property
    def seconds_left(self) -> float | None:
        """By the pace of the last trials; None before the first one ended."""
        if len(self._ends) < 3:
            return None
        pace = (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)
        return max(0.0, pace * (self.trials - self.done) - (self._now() - self._ends[-1]))

    @property
    def rate(self) -> float:
        """Generations a second over the last minute."""
        now = self._now()
        while self._paid and self._paid[0][0] < now - RECENT_SECONDS:
            self._paid.popleft()
        span = min(RECENT_SECONDS, max(now - self.started, 1.0))
        return sum(count for _, count in self._paid) / span


class ProgressObserver:
    """Shows a search on a terminal that is looked at; elsewhere, and when `quiet`, nothing moves."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Terminal(stderr=True, quiet=quiet)
        self._figures = Figures()
        self._doing = ""
        self._live = Live(
            console=self._console, get_renderable=self._shown, refresh_per_second=4, transient=True, auto_refresh=True
        )

    def __enter__(self) -> ProgressObserver:
        return self

    def __exit__(self, *_: object) -> None:
        # Stopping what never started would print an empty line before an error.
        if self._live.is_started:
            self._live.stop()

    def session_started(self, record: SessionRecord, task: Task, search: Search) -> None:
        # Not before: bad input is answered with one line and nothing above it.
        self._figures.begin(record.config.trials, task, search)
        name = f"{task.name} (simulated)" if task.simulated else task.name
        self._console.print(f"Session {record.id}: {name}, {search.searcher.name}", highlight=False)
        if self._console.is_terminal:
            self._live.start()

    def samples_generated(self, model: str, samples: Sequence[Sample]) -> None:
        self._figures.generated(model, samples)

    def trial_finished(self, trial: Trial, search: Search) -> None:
        self._figures.finish(trial, search)

    def guideline_written(self, guideline: Guideline) -> None:
        self._figures.concluded = guideline.text

    def judging_started(self) -> None:
        self._doing = "judging the result on held-out examples"

    def _shown(self) -> ProgressView:
        return ProgressView(self._figures, self._doing)


class ProgressView:
    """The figures in a few lines, each cut to the terminal's width."""

    def __init__(self, figures: Figures, doing: str = "") -> None:
        self._figures = figures
        self._doing = doing

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines: list[Any] = [self._heading(options.max_width)]
        lines += [_line(*line) for line in self._lines(options.max_width)]
        yield Group(*lines)

    def _heading(self, width: int) -> Table:
        figures = self._figures
        left = "" if figures.seconds_left is None else f", {_duration(figures.seconds_left)} left"
        heading = Table.grid(padding=(0, 1))
        row: list[Any] = [
            Spinner("dots"),
            _line(self._doing or f"trial {min(figures.done + 1, figures.trials)} of {figures.trials}"),
        ]
        if width >= 60 and not self._doing:
            row.append(ProgressBar(max(figures.trials, 1), figures.done, width=min(BAR_WIDTH, width - 40)))
        row.append(_line(f"{_duration(figures.elapsed)}{'' if self._doing else left}", "cyan"))
        heading.add_row(*row)
        return heading

    def _lines(self, width: int) -> list[tuple[str, str]]:
        figures, lines = self._figures, []
        if (best := figures.best) is not None:
            interval = f" [{best.interval.low:.2f}, {best.interval.high:.2f}]"
            heading = f"best {best.score:.3f}{interval} in trial {best.number}"
            if len(whole := f"{heading}: {best.allocation}") <= width:
                lines.append((whole, "green"))
            else:
                lines.append((heading, "green"))
                lines += [(f"{name}: {choice}", "green") for name, choice in best.allocation.items()]
        spent = figures.spent
        paid = [f"{spent.generations:,} {figures.verb}", f"{figures.reused:,} reused", f"{figures.rate:,.1f}/s"]
        tokens = [f"{_short(spent.tokens)} tokens", *([f"${spent.dollars:,.4g}"] if figures.priced else [])]
        if width >= 80:
            lines.append((", ".join([f"generations: {paid[0]}", *paid[1:], *tokens]), ""))
        else:
            lines += [(f"generations: {', '.join(paid)}", ""), (", ".join(tokens), "")]
        if figures.concluded:
            lines.append((figures.concluded.splitlines()[0], "dim"))
        return lines


class EventLines:
    """Writes a search's progress as JSON lines, one event each, for programs that follow it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._figures = Figures()

    def __enter__(self) -> EventLines:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def session_started(self, record: SessionRecord, task: Task, search: Search) -> None:
        self._figures.begin(record.config.trials, task, search)
        told = {"task": task.name, "searcher": search.searcher.name, "simulated": task.simulated}
        self._write("session", session=record.id, trials=record.config.trials, done=self._figures.done, **told)

    def samples_generated(self, model: str, samples: Sequence[Sample]) -> None:
        self._figures.generated(model, samples)

    def trial_finished(self, trial: Trial, search: Search) -> None:
        from agent.search import trial_row

        figures = self._figures
        figures.finish(trial, search)
        best = figures.best
        self._write(
            "trial",
            **trial_row(trial),
            done=figures.done,
            best=None if best is None else best.number,
            generations_paid=figures.spent.generations,
            generations_reused=figures.reused,
            tokens=figures.spent.tokens,
            dollars=figures.spent.dollars if figures.priced else None,
            seconds_left=figures.seconds_left,
        )

    def guideline_written(self, guideline: Guideline) -> None:
        self._write("guideline", batch=guideline.batch, text=guideline.text)

    def judging_started(self) -> None:
        self._write("judging")

    def result(self, document: dict[str, Any]) -> None:
        """The last line: what the search found."""
        self._write("result", **document)

    def _write(self, event: str, **values: Any) -> None:
        line = {"event": event, "seconds": round(self._figures.elapsed, 3), **values}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def observing(*, as_json: bool = False, json_lines: bool = False) -> EventLines | ProgressObserver:
    """What shows a search: moving lines for people, JSON lines for machines, or nothing but the result."""
    return EventLines(sys.stdout) if json_lines else ProgressObserver(quiet=as_json)


def _line(text: str, style: str = "") -> Text:
    return Text(visible(" ".join(text.split())), style, no_wrap=True, overflow="ellipsis")


def _short(count: int) -> str:
    """A count in at most five characters, such as 8.2M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if count >= size:
            return f"{count / (1000 if unit == 'k' else size):,.1f}{unit}"
    return f"{count:,}"


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
