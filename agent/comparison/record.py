"""What one search of a comparison left behind, trial by trial."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from environment.simulation import Optimum
from tools.space import Allocation

ROUNDING = 1e-9
"""Slack where a true score is compared with the oracle's, which is the same sum in another order."""


@dataclass(frozen=True, slots=True)
class Step:
    """A trial, and where the search stood after it.

    `search_score` is what the searcher was told, `true_score` what it was not. The `best_` scores
    are those of the incumbent: the trial so far with the highest search score, the cheapest among
    equals. `generations` and `requested` count from the start of the run with and without reuse.
    `recommended_true_score` is that of the trial that would be recommended here; None but at the
    plan's checkpoints.
    """

    trial: int
    batch: int
    allocation: Allocation
    cost: float
    search_score: float
    true_score: float
    best_search_score: float
    best_true_score: float
    generations: int
    requested: int
    recommended_true_score: float | None = None


@dataclass(frozen=True, slots=True)
class Pick:
    """A trial that a rule picks at the end of a run, with its scores on unseen examples."""

    trial: int
    allocation: Allocation
    cost: float
    search_score: float
    true_score: float
    held_out_score: float


@dataclass(frozen=True, slots=True)
class AgentCalls:
    """Model calls of the searcher itself, where it makes any."""

    calls: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One searcher on one problem: task, budget and seed.

    `task`, `budget` and `searcher` are the plan's labels; `problem` names the task itself, whose
    seeds are the same problem under every label. `best` is the trial with the highest search
    score, `recommended` the one that a session would recommend; None where no trial was completed.
    A run that failed has its error and the trials until then. `seconds` is the searcher's own
    time; all else is reproducible.
    """

    task: str
    problem: str
    source: str
    budget: str
    budget_value: float | None
    unit: str
    seed: int
    searcher: str
    oracle: Optimum | None
    steps: tuple[Step, ...] = ()
    best: Pick | None = None
    recommended: Pick | None = None
    agent: AgentCalls = AgentCalls()
    error: str = ""
    seconds: float = field(default=0.0, compare=False)

    def regret(self, true_score: float) -> float:
        """What a true score lacks to the oracle's."""
        return self.oracle.score - true_score if self.oracle else float("nan")

    def arrived(self, true_score: float, within: float) -> bool:
        """Whether a true score is within a relative distance of the oracle's."""
        return self.oracle is not None and true_score >= (1 - within) * self.oracle.score - ROUNDING

    def arrival(self, within: float) -> Step | None:
        """The first step whose incumbent is truly within a relative distance of the oracle; None if never."""
        return next((step for step in self.steps if self.arrived(step.best_true_score, within)), None)

    def stay(self, within: float) -> Step | None:
        """The step from which on every incumbent is truly within that distance; None if the last one is not.

        Search scores are noisy: an incumbent that is good by luck may be left for a worse one.
        """
        staying = takewhile(lambda step: self.arrived(step.best_true_score, within), reversed(self.steps))
        return min(staying, key=lambda step: step.trial, default=None)

    def best_after(self, trials: int) -> float | None:
        """The incumbent's true score after so many trials, or after all where there were fewer."""
        return self.steps[min(trials, len(self.steps)) - 1].best_true_score if self.steps else None

    def recommended_after(self, trials: int) -> float | None:
        """The recommended trial's true score after a checkpoint's trials, or at the end of a shorter run."""
        if trials >= len(self.steps):
            return self.recommended.true_score if self.recommended else None
        return self.steps[trials - 1].recommended_true_score

    @property
    def generations(self) -> int:
        """All generations of the run, with reuse."""
        return self.steps[-1].generations if self.steps else 0

    @property
    def requested(self) -> int:
        """All generations of the run, as a search without memory would make them."""
        return self.steps[-1].requested if self.steps else 0

    @property
    def labels(self) -> dict[str, Any]:
        """The columns that every table begins with."""
        return {
            "source": self.source,
            "task": self.task,
            "budget": self.budget,
            "budget_value": self.budget_value,
            "unit": self.unit,
            "seed": self.seed,
            "searcher": self.searcher,
        }

    def row(self, within: float) -> dict[str, Any]:
        """The run as one flat row of plain values; None where there is nothing to tell."""
        arrival, stay = self.arrival(within), self.stay(within)
        row = self.labels | {
            "state": "failed" if self.error else "complete",
            "trials": len(self.steps),
            "oracle_score": self.oracle.score if self.oracle else None,
            "oracle_allocation": str(self.oracle.allocation) if self.oracle else None,
            "trials_to_oracle": arrival.trial if arrival else None,
            "generations_to_oracle": arrival.generations if arrival else None,
            "generations_to_oracle_without_reuse": arrival.requested if arrival else None,
            "trials_to_stay": stay.trial if stay else None,
            "generations_to_stay": stay.generations if stay else None,
            "generations": self.generations,
            "generations_without_reuse": self.requested,
        }
        for rule, pick in (("recommended", self.recommended), ("best", self.best)):
            row |= {
                f"{rule}_trial": pick.trial if pick else None,
                f"{rule}_allocation": str(pick.allocation) if pick else None,
                f"{rule}_cost": pick.cost if pick else None,
                f"{rule}_search_score": pick.search_score if pick else None,
                f"{rule}_true_score": pick.true_score if pick else None,
                f"{rule}_regret": self.regret(pick.true_score) if pick else None,
                f"{rule}_held_out_score": pick.held_out_score if pick else None,
                f"{rule}_within": self.arrived(pick.true_score, within) if pick else None,
            }
        return row | {
            "agent_calls": self.agent.calls,
            "agent_prompt_tokens": self.agent.prompt_tokens,
            "agent_generation_tokens": self.agent.generation_tokens,
            "searcher_seconds": round(self.seconds, 3),
            "error": self.error,
        }

    def trajectory(self) -> Iterator[dict[str, Any]]:
        """One flat row a trial."""
        for step in self.steps:
            yield self.labels | {
                "trial": step.trial,
                "batch": step.batch,
                "allocation": str(step.allocation),
                "cost": step.cost,
                "search_score": step.search_score,
                "true_score": step.true_score,
                "best_search_score": step.best_search_score,
                "best_true_score": step.best_true_score,
                "recommended_true_score": step.recommended_true_score,
                "regret": self.regret(step.best_true_score),
                "generations": step.generations,
                "generations_without_reuse": step.requested,
            }
