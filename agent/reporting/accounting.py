"""What a search took: generations, tokens, dollars where prices are known, and the search agent's calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.judging import BEST, LARGEST, SMALLEST
from agent.reporting.plot import Table
from agent.reporting.style import DASH, number, share
from environment.task import Task
from tools.errors import InvalidInput
from tools.price import PriceCost
from tools.space import Allocation
from tools.spending import Spent

if TYPE_CHECKING:
    from agent.session import Result


def generations_table(result: Result) -> Table:
    """The trials' generations and tokens, batch by batch, and their sum."""
    now = "read now" if result.recorded_from else "produced now"
    columns = ["batch", "trials", "asked for", "new to the search", now, "prompt tokens", "generated tokens"]
    rows = []
    for batch in sorted({trial.batch for trial in result.trials}):
        trials = [trial for trial in result.trials if trial.batch == batch]
        usages = [trial.usage for trial in trials]
        rows.append(
            [
                str(batch),
                str(len(trials)),
                *(
                    f"{sum(getattr(usage, field) for usage in usages):,}"
                    for field in ("requested", "fresh", "paid", "prompt_tokens", "generation_tokens")
                ),
            ]
        )
    usage = result.usage
    figures = (usage.requested, usage.fresh, usage.paid, usage.prompt_tokens, usage.generation_tokens)
    rows.append(["all", str(len(result.trials)), *(f"{figure:,}" for figure in figures)])
    return Table(columns, rows, frozenset(columns))


def generations_sentence(result: Result) -> str:
    """What the figures mean, in words."""
    usage = result.usage
    if not usage.requested:
        return "No generation was asked for."
    reuse = (
        f"The trials asked for {usage.requested:,} generations; as samples are shared between trials, "
        f"{usage.fresh:,} ({share(usage.fresh / usage.requested)}) were new to the search."
    )
    if result.simulated:
        return f"{reuse} The task is simulated: none was produced."
    source = "were read from the recording" if result.recorded_from else "were produced and paid"
    return f"{reuse} {usage.paid:,} {source}, the others were in the store. The judging of the result is not counted."


def agent_rows(result: Result) -> list[tuple[str, str]]:
    """The search agent's model calls; none where the searcher is no language model."""
    agent = result.agent
    if not agent.calls:
        return []
    return [
        ("Model calls", f"{agent.calls:,}"),
        ("Answers refused", f"{agent.refused:,}"),
        ("Prompt tokens", f"{agent.prompt_tokens:,}"),
        ("Generated tokens", f"{agent.generation_tokens:,}"),
        ("Seconds", f"{agent.latency:,.1f}"),
    ]


def price_rows(result: Result, task: Task) -> list[tuple[str, str]]:
    """Dollars for 1,000 examples at the judged allocations; none where a price is unknown."""
    best = result.best_or_none
    allocations: dict[str, Allocation] = {} if best is None else {BEST: best.allocation}
    for name in (LARGEST, SMALLEST):
        if (naive := result.evaluation(name)) is not None:
            allocations[name] = naive.allocation
    price = PriceCost(examples=1000).with_strategies(task.strategies)
    try:
        return [(name, f"$ {number(price.total(task.space, one))}") for name, one in allocations.items()]
    except InvalidInput:
        return []


def spending_rows(result: Result) -> list[tuple[str, str]]:
    """What all runs of the session spent, their caps and what is held back; none where nothing was counted."""
    spending = result.spending
    rows = []
    if spending.spent != Spent():
        name = "Read from the recording in all runs" if result.recorded_from else "Spent in all runs"
        rows.append((name, str(spending.spent)))
    rows += [(f"Cap --{name.replace('_', '-')}", str(value)) for name, value in spending.caps.to_dict().items()]
    if spending.reserved != Spent():
        rows.append(("Requests under way, or of a process that died, may come to", str(spending.reserved)))
    return rows


def faults_table(result: Result) -> Table | None:
    """What went wrong at the endpoints; None where nothing did."""
    if not result.faults:
        return None
    columns = ["endpoint", "model", "what", "times", "asked again", "seconds waited", "lost at most"]
    rows = [
        [
            fault.endpoint,
            fault.model,
            str(fault.kind),
            f"{fault.count:,}",
            f"{fault.retried:,}",
            f"{fault.waited:,.1f}",
            str(fault.lost) if fault.lost != Spent() else DASH,
        ]
        for fault in result.faults
    ]
    return Table(columns, rows, frozenset(columns[3:6]))
