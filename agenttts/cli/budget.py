"""`agenttts budget`: what allocations cost and how many fit."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from agenttts.cli.options import DEFAULT_TASK, AsJson, Budget, Cost, ModelSpec, Task, TaskOption, task_options
from environment.task import load_task
from tools.cost import COSTS, within_budget


def budget(
    task: Task = DEFAULT_TASK,
    budget: Budget = None,
    cost: Cost = None,
    model: ModelSpec = None,
    settings: TaskOption = None,
    as_json: AsJson = False,
) -> None:
    """Show a task's default budget, the cost of one sample of each model and how many allocations fit."""
    loaded = load_task(task, **task_options(settings, model))
    pricing = COSTS.get(cost)() if cost else loaded.cost
    space = loaded.space
    limit = space.default_budget(pricing) if budget is None else budget
    rows = []
    for subtask in space.subtasks:
        for variant in subtask.variants:
            costs = {n: pricing.subtask(subtask, variant.choice(n)) for n in space.sample_counts}
            fitting = [count for count, value in costs.items() if within_budget(value, limit)]
            row: dict[str, Any] = {
                "subtask": subtask.name,
                **{part: getattr(variant, part) for part in subtask.candidates},
                "one_sample": costs[space.sample_counts[0]],
                "most_samples_alone": max(fitting, default=0),
            }
            rows.append(row)
    summary = {
        "task": loaded.name,
        "simulated": loaded.simulated,
        "cost": pricing.name,
        "unit": pricing.unit,
        "budget": limit,
        "default_budget": space.default_budget(pricing),
        "feasible_allocations": space.count(limit, pricing),
        "all_allocations": space.count(float("inf"), pricing),
        "choices": rows,
    }
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
        return
    parts = list(dict.fromkeys(part for subtask in space.subtasks for part in subtask.candidates))
    table = Table("subtask", *parts, f"one sample ({pricing.unit})", "most samples alone")
    for row in rows:
        shown = (str(row.get(part, "")) for part in parts)
        table.add_row(row["subtask"], *shown, f"{row['one_sample']:,.4g}", str(row["most_samples_alone"]))
    console = Console()
    if loaded.simulated:
        console.print(f"{loaded.name} is simulated: its scores come from a response surface, no model is run.")
    console.print(table)
    console.print(
        f"Budget {limit:,.4g} {pricing.unit}: {summary['feasible_allocations']:,} of "
        f"{summary['all_allocations']:,} allocations fit."
    )
