"""`agenttts budget`: what allocations cost and how many fit."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from agenttts.cli.options import (
    DEFAULT_TASK,
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
from agenttts.cli.options import Task as TaskName
from agenttts.cli.terminal import Terminal
from environment.loading import load_task

if TYPE_CHECKING:
    from environment.task import Task
    from tools.limits import Limits
    from tools.space import Subtask, Variant


def budget(
    task: TaskName = DEFAULT_TASK,
    budget: Budget = None,
    cost: Cost = None,
    cost_settings: CostSetting = None,
    cap: Cap = None,
    measured: MeasuredFile = None,
    model: ModelSpec = None,
    settings: TaskOption = None,
    as_json: AsJson = False,
) -> None:
    """Show a task's default budget, what one sample of each model costs and how many allocations fit.

    With caps every cost is shown beside its limit, and what fits must be within all of them.

    Examples:

      agenttts budget

      agenttts budget simulated-2wiki --cost kinetics
    """
    from agent.pricing import priced
    from tools.limits import Limits

    loaded = load_task(task, **task_options(settings, model))
    loaded = priced(loaded, cost, named_values("--cost-set", cost_settings), cap_limits(cap), read_measured(measured))
    default = loaded.space.default_budget(loaded.cost) if loaded.budget is None else loaded.budget
    limits = Limits(default if budget is None else budget, loaded.cost, loaded.caps)
    summary = _summary(loaded, default, limits)
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
    else:
        _print(Terminal(), loaded, summary)


def _summary(task: Task, default: float, limits: Limits) -> dict[str, Any]:
    space = task.space
    return {
        "task": task.name,
        "simulated": task.simulated,
        "cost": limits.cost.name,
        "unit": limits.cost.unit,
        "budget": limits.budget,
        "default_budget": default,
        "caps": [{"cost": cap.cost.name, "unit": cap.cost.unit, "limit": cap.limit} for cap in limits.caps],
        "feasible_allocations": space.count(limits.budget, limits.cost, limits.caps),
        "all_allocations": space.count(math.inf, limits.cost),
        "choices": [_row(task, limits, subtask, variant) for subtask in space.subtasks for variant in subtask.variants],
    }


def _row(task: Task, limits: Limits, subtask: Subtask, variant: Variant) -> dict[str, Any]:
    counts = task.space.sample_counts
    costs = limits.table(subtask, [variant.choice(count) for count in counts])
    fitting = [count for count, row in zip(counts, costs, strict=True) if (row <= limits.most).all()]
    return {
        "subtask": subtask.name,
        **{part: getattr(variant, part) for part in subtask.candidates},
        "one_sample": float(costs[0, 0]),
        **{f"one_sample_{cap.cost.name}": float(value) for cap, value in zip(limits.caps, costs[0, 1:], strict=True)},
        "most_samples_alone": max(fitting, default=0),
    }


def _print(console: Console, task: Task, summary: dict[str, Any]) -> None:
    parts = list(dict.fromkeys(part for subtask in task.space.subtasks for part in subtask.candidates))
    units = {"one_sample": summary["unit"]} | {f"one_sample_{cap['cost']}": cap["unit"] for cap in summary["caps"]}
    table = Table("subtask", *parts, *(f"one sample ({unit})" for unit in units.values()), "most samples alone")
    for row in summary["choices"]:
        shown = (str(row.get(part, "")) for part in parts)
        costs = (f"{row[name]:,.4g}" for name in units)
        table.add_row(row["subtask"], *shown, *costs, str(row["most_samples_alone"]))
    if task.simulated:
        console.print(f"{task.name} is simulated: its scores come from a response surface, no model is run.")
    console.print(table)
    caps = "".join(f", {cap['cost']} at most {cap['limit']:,.4g} {cap['unit']}" for cap in summary["caps"])
    console.print(
        f"Budget {summary['budget']:,.4g} {summary['unit']}{caps}: {summary['feasible_allocations']:,} of "
        f"{summary['all_allocations']:,} allocations fit."
    )
