"""`agenttts check`: what a search would take, before anything is spent."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from agenttts.cli.options import (
    AsJson,
    Budget,
    Cap,
    Cost,
    CostSetting,
    MeasuredFile,
    ModelSpec,
    TaskOption,
    cap_limits,
    named_values,
    read_measured,
    task_options,
)
from agenttts.cli.terminal import Terminal
from tools.errors import SeveralMistakes

if TYPE_CHECKING:
    from agent.estimate import Estimate, Work
    from agent.searcher import Problem
    from environment.dry_run import DryRun
    from environment.task import Task

CHARACTERS_PER_TOKEN = 4
"""Of English text, roughly: enough to notice a typical length that is far off."""
FAR_OFF = 2


def check(
    pipeline: Annotated[str, typer.Argument(help="A pipeline file, MODULE:ATTRIBUTE, or a task's name.")],
    budget: Budget = None,
    cost: Cost = None,
    cost_settings: CostSetting = None,
    cap: Cap = None,
    measured: MeasuredFile = None,
    trials: Annotated[int, typer.Option(min=1, help="How many allocations the search would try.")] = 50,
    model: ModelSpec = None,
    settings: TaskOption = None,
    tokens_per_second: Annotated[
        float, typer.Option(min=0.001, help="Tokens that a server generates each second for one request.")
    ] = 50.0,
    at_once: Annotated[int, typer.Option(min=1, help="Requests that are under way at once.")] = 8,
    as_json: AsJson = False,
) -> None:
    """Check a pipeline and show its prompts and what a search of it would take; nothing is sent anywhere.

    Examples:

      agenttts check pipeline.yaml

      agenttts check pipeline.yaml --trials 30 --tokens-per-second 80 --at-once 32
    """
    from agent.estimate import estimate
    from agent.preparation import prepare
    from agent.pricing import priced
    from environment.dry_run import DryRun, dry_run
    from environment.loading import load_task
    from storage.session import SessionConfig

    options = task_options(settings, model)
    try:
        loaded = load_task(pipeline, **options)
    except SeveralMistakes as error:
        Terminal(stderr=True, soft_wrap=True, highlight=False).print(f"Error: {error.listed}")
        raise typer.Exit(2) from None
    loaded = priced(loaded, cost, named_values("--cost-set", cost_settings), cap_limits(cap), read_measured(measured))
    config = SessionConfig(pipeline, options, "random", {}, 0, budget or 0.0, "", {}, trials, 1)
    task, search, _ = prepare(config, loaded, default_budget=budget is None)
    problem = search.problem
    dry = DryRun({}, False) if task.simulated else asyncio.run(dry_run(task, task.search_examples[0]))
    found = estimate(task, problem, trials, tokens_per_second)
    summary = _summary(task, problem, dry, found, at_once) | {"tokens_per_second": tokens_per_second}
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
    else:
        _print(Terminal(), task, summary)


def _summary(task: Task, problem: Problem, dry: DryRun, found: Estimate, at_once: int) -> dict[str, Any]:
    space = task.space
    return {
        "task": task.name,
        "recorded_from": task.recorded_from,
        "simulated": task.simulated,
        "examples": {"search": len(task.search_examples), "held-out": len(task.held_out_examples)},
        "subtasks": [
            {
                "name": subtask.name,
                "models": [model.name for model in subtask.models],
                "metric": task.metrics[subtask.name],
                "strategies": list(subtask.strategies or [task.strategies.get(subtask.name, "")]),
                "temperatures": list(subtask.temperatures),
            }
            for subtask in space.subtasks
        ],
        "prompts": {
            name: [{"role": message.role, "content": message.content} for message in messages]
            for name, messages in dry.prompts.items()
        },
        "answers_in_prompts": "recorded" if dry.recorded else "placeholders",
        "budget": problem.budget,
        "unit": problem.cost.unit,
        "caps": {cap.cost.name: cap.limit for cap in problem.caps},
        "feasible_allocations": space.count(problem.budget, problem.cost, problem.caps),
        "all_allocations": space.count(float("inf"), problem.cost),
        "estimate": {
            "trials": found.trials,
            "at_once": at_once,
            "without_reuse": _work(found.without_reuse, at_once),
            "with_reuse": _work(found.with_reuse, at_once),
        },
        "warnings": _warnings(task, dry),
    }


def _work(work: Work, at_once: int) -> dict[str, Any]:
    values = asdict(work)
    return values | {"hours": values.pop("seconds") / at_once / 3600}


def _warnings(task: Task, dry: DryRun) -> list[str]:
    warnings = []
    for subtask in task.space.subtasks:
        messages = dry.prompts.get(subtask.name)
        if messages is None:
            if not task.simulated:
                warnings.append(f"{subtask.name}: the first example does not reach it")
            continue
        tokens = sum(len(message.content) for message in messages) / CHARACTERS_PER_TOKEN
        if not subtask.prompt_tokens / FAR_OFF <= tokens <= subtask.prompt_tokens * FAR_OFF:
            warnings.append(
                f"{subtask.name}: the prompt above has about {tokens:,.0f} tokens, prompt_tokens says "
                f"{subtask.prompt_tokens:,.4g}; the cost model goes by the latter"
            )
    return warnings


def _print(console: Console, task: Task, summary: dict[str, Any]) -> None:
    for name, messages in summary["prompts"].items():
        console.rule(f"{name}: prompt of the first example, with {summary['answers_in_prompts']} for earlier answers")
        for message in messages:
            console.print(f"[{message['role']}]", style="dim", highlight=False)
            console.print(message["content"], highlight=False)
    console.rule()
    table = Table("subtask", "models", "metric", "strategy")
    for row in summary["subtasks"]:
        table.add_row(row["name"], ", ".join(row["models"]), row["metric"] or "-", ", ".join(row["strategies"]))
    console.print(table)
    examples = summary["examples"]
    console.print(
        f"{task.name}: no mistakes. {examples['search']} examples judge trials, {examples['held-out']} the result."
    )
    if summary["recorded_from"]:
        console.print(f"Recorded generations of: {summary['recorded_from']}")
    if summary["simulated"]:
        console.print("Simulated: the scores come from a response surface; no model is run.")
    caps = "".join(f", at most {limit:,.4g} of {name}" for name, limit in summary["caps"].items())
    console.print(
        f"Budget {summary['budget']:,.4g} {summary['unit']}{caps}: {summary['feasible_allocations']:,} of "
        f"{summary['all_allocations']:,} allocations fit."
    )
    _print_estimate(console, summary)
    for warning in summary["warnings"]:
        console.print(f"Warning: {warning}", style="yellow")


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 1 else f"{hours:.2g}"


def _print_estimate(console: Console, summary: dict[str, Any]) -> None:
    found = summary["estimate"]
    table = Table("", "requests", "generations", "prompt tokens", "generated tokens", "dollars", "hours")
    for title, work in (("with reuse", found["with_reuse"]), ("without", found["without_reuse"])):
        dollars = "unknown" if work["dollars"] is None else f"{work['dollars']:,.2f}"
        counts = [f"{work[name]:,.0f}" for name in ("requests", "generations", "prompt_tokens", "generation_tokens")]
        table.add_row(title, *counts, dollars, _hours(work["hours"]))
    console.print(table)
    console.print(
        f"Estimated for {found['trials']} random trials within the budget and the judging of the result, by the "
        f"declared token counts, at {summary['tokens_per_second']:g} tokens a second for each of {found['at_once']} "
        "requests at once. Every generation is stored and paid once; that is the row with reuse.",
    )
