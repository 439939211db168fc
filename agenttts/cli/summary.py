"""A session's result for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from agent.judging import BEST, LARGEST, SMALLEST
from agent.pricing import LIMIT, NAMED
from agent.search import trial_row
from agent.session import Result
from agenttts.cli.happened import happened_to_dict, print_happened
from environment.task import HELD_OUT, SEARCH
from storage.evaluation import Evaluation
from storage.transcript import Transcript
from tools.cost import COSTS
from tools.trial import Trial

NUMBERS = ("samples", "temperature")
"""Columns of the allocation table that hold numbers."""


def result_to_dict(result: Result, transcripts: Sequence[Transcript] = ()) -> dict[str, Any]:
    """Plain values of everything a session found."""
    best = result.best_or_none
    return {
        "session": result.session_id,
        "state": str(result.state),
        "config": asdict(result.config),
        "recorded_from": result.recorded_from,
        "simulated": result.simulated,
        "best": None
        if best is None
        else {
            "trial": best.number,
            "allocation": best.allocation.to_dict(),
            "cost": best.cost,
            "search_score": best.score,
            "search_interval": [best.interval.low, best.interval.high],
            "reason": best.reason,
        },
        "evaluations": [
            {
                "label": e.label,
                "split": e.split,
                "allocation": e.allocation.to_dict(),
                "cost": e.cost,
                "stage_scores": {name: score.mean for name, score in e.stage_scores.items()},
                "interval": [e.score.interval.low, e.score.interval.high],
                "examples": len(e.score.per_example),
            }
            for e in result.evaluations
        ],
        "generations": asdict(result.usage) | {"reused": result.usage.reused},
        "agent": asdict(result.agent),
        **happened_to_dict(result),
        "trials": [trial_row(trial) for trial in result.trials],
        "guidelines": [asdict(guideline) for guideline in result.guidelines],
        "transcripts": [asdict(transcript) for transcript in transcripts],
    }


def print_heading(console: Console, result: Result, budget: str) -> None:
    """Which session it is, and where its scores come from."""
    config = result.config
    console.print(
        f"Session {result.session_id} ({result.state}): {config.task}, searcher {config.searcher}, seed {config.seed}, "
        f"{budget}, {len(result.trials)} trials"
    )
    if result.recorded_from:
        console.print(f"Recorded generations of: {result.recorded_from}")
    if result.simulated:
        console.print("Simulated: the scores come from a response surface; no model was run.")


def print_result(console: Console, result: Result, *, trials: bool = False, guidelines: bool = False) -> None:
    """The answer first: the best allocation and why, then how it was found and what it cost."""
    print_heading(console, result, f"budget {result.config.budget:,.4g}{_caps(result)}")
    print_happened(console, result)
    best = result.best_or_none
    if best is None:
        console.print("No trial is complete yet.")
        return
    console.print(_allocation_table(result, best))
    console.print(f"Why: {best.reason}")
    if (luckiest := result.luckiest) is not None and luckiest != best:
        console.print(
            f"Trial {luckiest.number} ({luckiest.allocation}) scored {luckiest.score:.3f} on the search examples; "
            f"less is expected of it on new ones.",
        )
    if result.evaluations:
        console.print(_score_table(result))
    usage = result.usage
    if usage.requested:
        console.print(
            f"Generations of the search: {usage.requested:,} without reuse, {usage.fresh:,} with it "
            f"({usage.fresh / usage.requested:.1%}). {_paid(result)}"
        )
    if result.agent.calls:
        agent = result.agent
        console.print(
            f"Search agent: {agent.calls:,} calls ({agent.refused:,} answers refused), {agent.prompt_tokens:,} prompt "
            f"and {agent.generation_tokens:,} generated tokens, {agent.latency:,.1f} s."
        )
    if result.guidelines:
        shown = result.guidelines if guidelines else result.guidelines[-1:]
        for guideline in shown:
            console.print(f"\nConcluded after batch {guideline.batch}:\n{guideline.text}")
    if trials:
        listing = Table("trial", "batch", "allocation", "cost", "score", "reason")
        for trial in result.trials:
            score = "" if trial.score is None else f"{trial.score:.3f}"
            cost = f"{trial.cost:,.4g}"
            listing.add_row(str(trial.number), str(trial.batch), str(trial.allocation), cost, score, trial.reason)
        console.print(listing)


def _caps(result: Result) -> str:
    """The caps beside the budget, each in the unit of its cost."""
    caps = ((COSTS.get(cap[NAMED]), cap[LIMIT]) for cap in result.config.caps)
    return "".join(f", {cost.name} at most {limit:,.4g} {cost.unit}" for cost, limit in caps)


def _paid(result: Result) -> str:
    if result.simulated:
        return "Simulated: none was produced."
    verb = "read from the recording" if result.recorded_from else "produced and paid"
    return f"{result.usage.paid:,} were {verb} now, the others were in the store."


def _allocation_table(result: Result, best: Trial) -> Table:
    """The best allocation and what it is compared with, one row a subtask."""
    table = Table(title="Best allocation, and naive ones", box=SIMPLE_HEAD, pad_edge=False)
    allocations = {BEST: best.allocation}
    for label in (LARGEST, SMALLEST):
        judged = result.evaluation(label, HELD_OUT)
        if judged is not None:
            allocations[label] = judged.allocation
    rows = {
        label: {subtask: choice.to_dict() for subtask, choice in allocation.items()}
        for label, allocation in allocations.items()
    }
    parts = dict.fromkeys(part for choices in rows.values() for values in choices.values() for part in values)
    for name in ("", "subtask", *parts):
        table.add_column(name, overflow="fold", justify="right" if name in NUMBERS else "left")
    for label, choices in rows.items():
        for position, (subtask, values) in enumerate(choices.items()):
            shown = (str(values.get(part, "")) for part in parts)
            table.add_row(label if position == 0 else "", subtask, *shown)
    return table


def _score_table(result: Result) -> Table:
    """Scores of the best and the naive allocations on both splits."""
    sizes = {e.split: len(e.score.per_example) for e in result.evaluations}
    counted = " and ".join(f"{sizes[split]} {split}" for split in (SEARCH, HELD_OUT) if split in sizes)
    table = Table(
        "", "cost", "search score", "held-out score", title=f"{counted} examples, 95% intervals", box=SIMPLE_HEAD
    )
    for label in (BEST, LARGEST, SMALLEST):
        held_out, search = result.evaluation(label, HELD_OUT), result.evaluation(label, SEARCH)
        if held_out is None:
            table.add_row(label, "too high", "", "")
        else:
            table.add_row(label, f"{held_out.cost:,.4g}", _score(search), _score(held_out))
    return table


def _score(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return ""
    interval = evaluation.score.interval
    return f"{evaluation.score.mean:.3f} [{interval.low:.2f}, {interval.high:.2f}]"
