"""The answer of a search: the best allocation, its held-out score, its cost, and what it saves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.comparison.resampling import bootstrap_mean
from agent.judging import BEST, LARGEST, SMALLEST
from agent.pricing import LIMIT, NAMED
from agent.reporting.style import number, share
from environment.pipelines.loading import HANDED_OVER
from environment.task import HELD_OUT, SEARCH
from storage.session import SessionState
from tools.cost import COSTS
from tools.space import Choice
from tools.trial import StageScore

if TYPE_CHECKING:
    from agent.session import Result


@dataclass(frozen=True)
class Naive:
    """A naive allocation beside the best one, on the same held-out examples.

    `verdict` compares them in words; `score` is None where it does not fit the budget.
    """

    label: str
    allocation: str
    cost: float | None
    score: StageScore | None
    verdict: str


@dataclass(frozen=True)
class Answer:
    """What a report says first. `score` is the one on `split`; `choices` is empty without a complete trial."""

    task: str
    choices: Sequence[tuple[str, Choice]]
    trial: int | None
    reason: str
    score: StageScore | None
    split: str
    cost: float
    budget: float
    unit: str
    caps: str
    naive: Sequence[Naive]
    luck: str
    source: str
    standing: str
    generations: str


def answer_of(result: Result) -> Answer:
    """The answer of a session, finished or not."""
    best, judged = result.best_or_none, result.evaluation(BEST)
    score, split = (judged.score, HELD_OUT) if judged else (None, SEARCH)
    if judged is None and best is not None and best.stage_scores:
        score = list(best.stage_scores.values())[-1]
    luckiest = result.luckiest
    luck = ""
    if luckiest is not None and best is not None and luckiest.number != best.number:
        luck = (
            f"Trial {luckiest.number} ({luckiest.allocation}) scored {luckiest.score or 0:.3f} on the search examples, "
            f"the recommended one {best.score or 0:.3f}; less is expected of it on new ones."
        )
    usage = result.usage
    return Answer(
        task=result.config.task.removeprefix(HANDED_OVER),
        choices=[] if best is None else list(best.allocation.items()),
        trial=None if best is None else best.number,
        reason="" if best is None else best.reason,
        score=score,
        split=split,
        cost=0.0 if best is None else best.cost,
        budget=result.config.budget,
        unit=COSTS.get(result.config.cost).unit,
        caps=_caps(result),
        naive=[_naive(result, label) for label in (LARGEST, SMALLEST)] if judged else [],
        luck=luck,
        source=_source(result),
        standing=_standing(result),
        generations=(
            f"{usage.fresh:,} of {usage.requested:,} ({share(usage.fresh / usage.requested)})"
            if usage.requested
            else "none"
        ),
    )


def _naive(result: Result, label: str) -> Naive:
    best, naive = result.evaluation(BEST), result.evaluation(label)
    if best is None or naive is None:
        return Naive(label, "", None, None, "does not fit the budget, even with one sample of each")
    ours, theirs = best.score, naive.score
    gain = ours.mean - theirs.mean
    interval = ""
    if len(ours.per_example) == len(theirs.per_example) > 1:
        pairs = zip(ours.per_example, theirs.per_example, strict=True)
        estimate = bootstrap_mean([one - other for one, other in pairs])
        interval = f" [{estimate.low:+.3f}, {estimate.high:+.3f}]"
    if naive.cost <= 0:
        relative = ""
    elif abs(best.cost / naive.cost - 1) < 0.005:
        relative = " at the same cost"
    else:
        ratio = best.cost / naive.cost
        relative = f" at {share(ratio)} of its cost" if ratio < 2 else f" at {number(ratio, 2)} times its cost"
    return Naive(label, str(naive.allocation), naive.cost, theirs, f"best scores {gain:+.3f}{interval}{relative}")


def _source(result: Result) -> str:
    if result.simulated:
        return "Simulated: the scores come from a response surface; no model was run."
    if result.recorded_from:
        return f"Recorded generations of: {result.recorded_from}. They were read, not generated anew."
    return ""


def _standing(result: Result) -> str:
    if result.state is SessionState.COMPLETE:
        return ""
    return (
        f"The session is {result.state}: {len(result.trials)} of {result.config.trials} trials were begun, and nothing "
        f"that follows is final. Go on with: agenttts resume {result.session_id}"
    )


def _caps(result: Result) -> str:
    caps = ((COSTS.get(cap[NAMED]), cap[LIMIT]) for cap in result.config.caps)
    return ", ".join(f"{cost.name} at most {number(limit)} {cost.unit}" for cost, limit in caps)
