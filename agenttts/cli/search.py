"""`agenttts search` and `agenttts resume`: the main job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from agenttts.cli.options import (
    DEFAULT_STORAGE,
    DEFAULT_TASK,
    AsJson,
    Budget,
    Cap,
    Cost,
    CostSetting,
    MeasuredFile,
    ModelSpec,
    SearcherOption,
    Storage,
    Task,
    TaskOption,
    cap_limits,
    named_values,
    read_measured,
    task_options,
)
from agenttts.cli.terminal import Terminal

SEARCHER_NAMES = "planner, llm, random, tpe, gp, cmaes, nsga2, grid, smac, llm-zs, agenthpo, mlcopilot"

if TYPE_CHECKING:
    from agent.search import Search
    from agent.session import Result
    from tools.trial import Guideline, Trial


class ProgressObserver:
    """Shows trials done, the best so far and generations paid and reused on a live bar."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[news]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._bar = self._progress.add_task("trials", total=None, news="")
        self._paid = self._reused = 0

    def __enter__(self) -> ProgressObserver:
        return self

    def __exit__(self, *_: object) -> None:
        # Stopping what never started would print an empty line before an error.
        if self._progress.live.is_started:
            self._progress.stop()

    def session_started(self, record: Any, task: Any, search: Search) -> None:
        # Not before: bad input is answered with one line and no bar above it.
        self._progress.start()
        self._progress.update(self._bar, total=record.config.trials, completed=len(search.trials))
        name = f"{task.name} (simulated)" if task.simulated else task.name
        self._progress.console.print(f"Session {record.id}: {name}, {search.searcher.name}", highlight=False)

    def trial_finished(self, trial: Trial, search: Search) -> None:
        self._paid += trial.usage.paid
        self._reused += trial.usage.reused
        best = search.best
        news = f"best {best.score:.3f}, " if best is not None else ""
        news += f"{self._paid:,} generations paid, {self._reused:,} reused"
        self._progress.update(self._bar, completed=trial.number + 1, news=news)

    def guideline_written(self, guideline: Guideline) -> None:
        self._progress.console.print(guideline.text.splitlines()[0], style="dim", highlight=False)

    def judging_started(self) -> None:
        self._progress.update(self._bar, description="judging on held-out examples")


def search(
    task: Task = DEFAULT_TASK,
    budget: Budget = None,
    searcher: Annotated[str, typer.Option(help=f"{SEARCHER_NAMES} or an installed one.")] = "planner",
    trials: Annotated[int, typer.Option(help="How many allocations to try.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the searcher.")] = 0,
    batch: Annotated[int, typer.Option(help="Allocations proposed at a time.")] = 10,
    cost: Cost = None,
    cost_settings: CostSetting = None,
    cap: Cap = None,
    measured: MeasuredFile = None,
    model: ModelSpec = None,
    settings: TaskOption = None,
    agent_model: Annotated[str | None, typer.Option(help="Model of a searcher that is a language model.")] = None,
    agent_url: Annotated[str | None, typer.Option(help="Base URL of that model's endpoint.")] = None,
    searcher_settings: SearcherOption = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Search for the best allocation of a task within a budget.

    Without arguments: the planner on the recorded benchmark; no key, no server, no GPU.
    """
    from agent.session import run

    agent = {"model": agent_model, "base_url": agent_url}
    with ProgressObserver(Terminal(stderr=True, quiet=as_json)) as observer:
        result = run(
            task,
            budget,
            searcher,
            trials,
            seed,
            storage,
            batch=batch,
            cost=cost,
            cost_settings=named_values("--cost-set", cost_settings),
            caps=cap_limits(cap),
            measured=read_measured(measured),
            task_options=task_options(settings, model),
            searcher_options={name: value for name, value in agent.items() if value is not None}
            | named_values("--searcher-set", searcher_settings),
            observer=observer,
        )
    _print(result, as_json)


def resume(
    session: Annotated[str, typer.Argument(help="Session id, the beginning of one, or last.")] = "last",
    task: Annotated[
        str | None, typer.Option(help="The session's pipeline, where its file has moved or it was a program's object.")
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Go on with a session that was stopped; nothing finished is done or paid again."""
    from agent.session import resume as resume_session

    with ProgressObserver(Terminal(stderr=True, quiet=as_json)) as observer:
        result = resume_session(session, storage, task=task, observer=observer)
    _print(result, as_json)


def _print(result: Result, as_json: bool) -> None:
    from agent.pareto import Front
    from agenttts.cli.pareto import print_front
    from agenttts.cli.summary import print_result, result_to_dict

    if as_json:
        typer.echo(json.dumps(result_to_dict(result), indent=2))
    elif result.config.front:
        print_front(Terminal(), Front.of(result))
    else:
        print_result(Terminal(), result)
