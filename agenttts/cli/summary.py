"""A session's result for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from agent.search import trial_row
from agent.session import BEST, LARGEST, SMALLEST, Result
from environment.task import HELD_OUT, SEARCH
from storage.evaluation import Evaluation
from storage.transcript import Transcript
from tools.trial import StageScore


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
        "trials": [trial_row(trial) for trial in result.trials],
        "guidelines": [asdict(guideline) for guideline in result.guidelines],
        "transcripts": [asdict(transcript) for transcript in transcripts],
    }


def print_result(console: Console, result: Result, *, trials: bool = False, guidelines: bool = False) -> None:
    """The answer first: the best allocation and why, then how it was found and what it cost."""
    config = result.config
    console.print(
        f"Session {result.session_id} ({result.state}): {config.task}, searcher {config.searcher}, seed {config.seed}, "
        f"budget {config.budget:,.4g}, {len(result.trials)} trials"
    )
    if result.recorded_from:
        console.print(f"Recorded generations of: {result.recorded_from}")
    if result.simulated:
        console.print("Simulated: the scores come from a response surface; no model was run.")
    best = result.best_or_none
    if best is None:
        console.print("No trial is complete yet.")
        return
    table = Table("subtask", "model", "samples", title="Best allocation")
    for subtask, choice in best.allocation.items():
        table.add_row(subtask, choice.model, str(choice.samples))
    console.print(table)
    console.print(f"Why: {best.reason}", markup=False)
    if (luckiest := result.luckiest) is not None and luckiest != best:
        console.print(
            f"Trial {luckiest.number} ({luckiest.allocation}) scored {luckiest.score:.3f} on the search examples; "
            f"less is expected of it on new ones.",
            markup=False,
        )
    scores = Table("allocation", "", "cost", "search score", "held-out score", title="Scores with 95% intervals")
    for label in (BEST, LARGEST, SMALLEST):
        held_out = result.evaluation(label, HELD_OUT)
        if held_out is None:
            scores.add_row(label, "does not fit the budget" if result.evaluations else "not judged yet", "", "", "")
            continue
        search = result.evaluation(label, SEARCH)
        scores.add_row(label, str(held_out.allocation), f"{held_out.cost:,.4g}", _score(search), _score(held_out))
    console.print(scores)
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
            console.print(f"\nConcluded after batch {guideline.batch}:\n{guideline.text}", markup=False)
    if trials:
        listing = Table("trial", "batch", "allocation", "cost", "score", "reason")
        for trial in result.trials:
            score = "" if trial.score is None else f"{trial.score:.3f}"
            cost = f"{trial.cost:,.4g}"
            listing.add_row(str(trial.number), str(trial.batch), str(trial.allocation), cost, score, trial.reason)
        console.print(listing)


def _paid(result: Result) -> str:
    if result.simulated:
        return "Simulated: none was produced."
    verb = "read from the recording" if result.recorded_from else "produced and paid"
    return f"{result.usage.paid:,} were {verb} now, the others were in the store."


def _score(evaluation: Evaluation | None) -> str:
    return "" if evaluation is None else show_score(evaluation.score)


def show_score(score: StageScore) -> str:
    """A mean with its interval and number of examples."""
    interval = score.interval
    return f"{score.mean:.3f} [{interval.low:.2f}, {interval.high:.2f}] n={len(score.per_example)}"
