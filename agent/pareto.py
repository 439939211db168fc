"""The front of score against cost: what each budget buys, found by one search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.judging import ON_FRONT
from agent.participation import SessionObserver
from agent.pricing import Caps
from agent.session import Confirm, Result, load_result, run
from environment.execution import LOCAL
from environment.pipelines.searchable import SearchablePipeline
from environment.task import Task
from storage.database import DEFAULT_URL
from storage.evaluation import Evaluation
from tools.cost import COSTS, CostModel, within_budget
from tools.declared import names_misfits
from tools.errors import InvalidInput
from tools.measured import Measurements
from tools.space import Allocation
from tools.spending import SpendingCaps
from tools.trial import Trial

if TYPE_CHECKING:
    import pandas as pd

SEARCHER = "planner-front"
"""What finds the front with the fewest trials (docs/pareto.md)."""


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A trial that is expected to score better than every cheaper one, and its score on held-out examples."""

    trial: Trial
    held_out: Evaluation

    @property
    def allocation(self) -> Allocation:
        """What to run for this cost."""
        return self.trial.allocation

    @property
    def cost(self) -> float:
        """In the session's budget unit."""
        return self.trial.cost

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        score = self.held_out.score
        return {
            "trial": self.trial.number,
            "cost": self.cost,
            "allocation": self.allocation.to_dict(),
            "search_score": self.trial.score,
            "search_interval": [self.trial.interval.low, self.trial.interval.high],
            "held_out_score": score.mean,
            "held_out_interval": [score.interval.low, score.interval.high],
        }


@dataclass(frozen=True, slots=True)
class Front:
    """The front that a session found, the cheapest point first; empty until the session was judged.

    A point is on it by what is expected of it on new examples, given all trials (agent.recommendation).
    So the scores on the held-out examples, which took no part in that, need not rise with the cost.
    """

    result: Result
    points: tuple[FrontPoint, ...]

    @classmethod
    def of(cls, result: Result) -> Front:
        """The front of a session that ran with `front`."""
        trials = {trial.number: trial for trial in result.trials}
        judged = ((int(e.label.removeprefix(ON_FRONT)), e) for e in result.front)
        return cls(result, tuple(FrontPoint(trials[number], evaluation) for number, evaluation in judged))

    @property
    def unit(self) -> str:
        """The unit of every cost."""
        return COSTS.get(self.result.config.cost).unit

    def within(self, budget: float) -> FrontPoint | None:
        """What a budget buys: the dearest point that fits it; None where none does."""
        return next((point for point in reversed(self.points) if within_budget(point.cost, budget)), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values of the points and of the session that found them."""
        return {
            "session": self.result.session_id,
            "state": str(self.result.state),
            "task": self.result.config.task,
            "simulated": self.result.simulated,
            "recorded_from": self.result.recorded_from,
            "unit": self.unit,
            "budget": self.result.config.budget,
            "trials": len(self.result.trials),
            "points": [point.to_dict() for point in self.points],
        }

    def to_dataframe(self) -> pd.DataFrame:
        """One row a point: cost, scores with intervals, and each part of each subtask's choice."""
        try:
            import pandas as pd
        except ImportError:
            raise InvalidInput("to_dataframe", 'needs pandas: pip install "agenttts[plot]"') from None
        return pd.DataFrame([_flat(point) for point in self.points])

    def plot(self, path: str | Path) -> Path:
        """Writes the front as a figure; the file's ending (svg, png or pdf) says which.

        Raises InvalidInput for another ending and without matplotlib.
        """
        from agent.pareto_plot import plot_front

        return plot_front(self, Path(path))


@names_misfits
def pareto(
    task: str | Task | SearchablePipeline = "multihop-recorded",
    budget: float | None = None,
    trials: int = 50,
    seed: int = 0,
    storage: str = DEFAULT_URL,
    *,
    searcher: str = SEARCHER,
    batch: int = 10,
    cost: str | CostModel | None = None,
    cost_settings: Mapping[str, Any] | None = None,
    caps: Caps = (),
    measured: Measurements | None = None,
    task_options: Mapping[str, Any] | None = None,
    searcher_options: Mapping[str, Any] | None = None,
    executor: str = LOCAL,
    executor_options: Mapping[str, Any] | None = None,
    spending: SpendingCaps = SpendingCaps(),  # noqa: B008 - it is frozen
    confirm: Confirm | None = None,
    observer: SessionObserver | None = None,
) -> Front:
    """Searches score against cost up to a largest budget and judges every point of the front.

    As `run`, with a searcher for the whole front; `budget` is the largest, by default twice that of
    `run`. It is a session like others: `resume` goes on with it, `load_front` reads it.
    """
    result = run(
        task,
        budget,
        searcher,
        trials,
        seed,
        storage,
        batch=batch,
        cost=cost,
        cost_settings=cost_settings,
        caps=caps,
        measured=measured,
        front=True,
        task_options=task_options,
        searcher_options=searcher_options,
        executor=executor,
        executor_options=executor_options,
        spending=spending,
        confirm=confirm,
        observer=observer,
    )
    return Front.of(result)


@names_misfits
def load_front(session: str = "last", storage: str = DEFAULT_URL) -> Front:
    """A stored session's front. Raises UnknownSession, and InvalidInput for a session without one."""
    result = load_result(session, storage)
    if not result.config.front:
        raise InvalidInput("session", f"{result.session_id} searched for one budget; `agenttts pareto` finds a front")
    return Front.of(result)


def _flat(point: FrontPoint) -> dict[str, Any]:
    values = point.to_dict()
    row: dict[str, Any] = {"trial": values["trial"], "cost": values["cost"]}
    for name, choice in values["allocation"].items():
        row |= {f"{name}.{part}": value for part, value in choice.items()}
    for split in ("search", "held_out"):
        low, high = values[f"{split}_interval"]
        row |= {f"{split}_score": values[f"{split}_score"], f"{split}_low": low, f"{split}_high": high}
    return row
