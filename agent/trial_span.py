"""What a trial's span says."""

from __future__ import annotations

from typing import Any

from tools.trial import Trial


def told_of_trial(_: object, trial: Trial) -> dict[str, Any]:
    """Before it runs: which allocation, at what cost, and who proposed it."""
    return {
        "agenttts.trial": trial.number,
        "agenttts.batch": trial.batch,
        "agenttts.allocation": str(trial.allocation),
        "agenttts.cost": trial.cost,
        "agenttts.origin": trial.origin,
        "agenttts.reason": trial.reason,
    }


def found_by_trial(trial: Trial | None) -> dict[str, Any]:
    """Once it is over: its state, its scores and what it needed; nothing where its result came too late."""
    if trial is None:
        return {}
    usage = trial.usage
    found: dict[str, Any] = {
        "agenttts.state": str(trial.state),
        "agenttts.generations.requested": usage.requested,
        "agenttts.generations.paid": usage.paid,
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.generation_tokens,
    }
    if trial.score is not None:
        found["agenttts.score"] = trial.score
    return found | {f"agenttts.score.{name}": score.mean for name, score in trial.stage_scores.items()}
