"""What a search comes to, whoever ran it."""

from __future__ import annotations

from typing import Any

from agent.session import Result


def decided(result: Result) -> dict[str, Any]:
    """Everything that a search decides and scores, but for what it counted on the way."""
    return {
        "trials": [(t.allocation, t.score, t.stage_scores, t.cost, t.origin, t.reason) for t in result.trials],
        "best": result.best.allocation,
        "evaluations": {(e.label, e.split): (e.allocation, e.stage_scores) for e in result.evaluations},
        "guidelines": result.guidelines,
    }
