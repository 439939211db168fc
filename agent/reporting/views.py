"""What a result shows of itself: a report, figures, a table of its trials, and a block in notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from agent.search import trials_table

if TYPE_CHECKING:
    import pandas as pd
    from optuna import Study
    from optuna.storages import BaseStorage
    from plotly.graph_objects import Figure

    from agent.session import Result
    from environment.pipelines.searchable import SearchablePipeline
    from environment.task import Task


class ResultViews:
    """The part of a Result that people look at.

    Figures are plotly's, and raise InvalidInput without it. `task` is the session's own, where it was an
    object of a program or its file has moved.
    """

    def report(
        self,
        path: str | Path,
        *,
        task: str | Task | SearchablePipeline | None = None,
        against: Sequence[str] = (),
        trials: Sequence[int] = (),
        examples: int = 12,
    ) -> Path:
        """Writes the session's report: one HTML file that needs no network.

        `against` names sessions to compare with, by default the newest one of each other searcher on
        the same task, budget and cost. `trials` are shown example by example beside the recommended
        allocation, up to `examples` of each. Nothing is generated: what is not stored is said to be
        missing. Raises InvalidInput for what does not fit and for a file that cannot be written.
        """
        from agent.reporting.session_report import write_report

        return write_report(self._result, Path(path), task=task, against=against, trials=trials, examples=examples)

    def to_study(self, storage: str | BaseStorage | None = None, name: str | None = None) -> Study:
        """The session as a new Optuna study (agent.study_export): in memory, or in an Optuna storage.

        Raises InvalidInput where that storage cannot be used or holds a study of that name.
        """
        from agent.study_export import export_study

        return export_study(self._result.session_id, self._result.storage, storage, name)

    def plot_trajectory(self, against: Sequence[str] = ()) -> Figure:
        """The best score after each trial, beside other sessions as in `report`."""
        from agent.reporting.findings import rivals_of
        from agent.reporting.trajectory import trajectory_figure

        return trajectory_figure(self._result, rivals_of(self._result, against))

    def plot_curves(
        self, subtasks: Sequence[str] = (), *, task: str | Task | SearchablePipeline | None = None
    ) -> Figure:
        """Each subtask's score against its samples, by model, with the fitted curve and its saturation."""
        from agent.reporting.curves import curves_figure
        from agent.reporting.findings import problem_of_session

        return curves_figure(problem_of_session(self._result, task).space, self._result.trials, subtasks)

    def plot_parallel(self) -> Figure:
        """Every trial as a line through its choices, its cost and its score."""
        from agent.reporting.findings import models_in
        from agent.reporting.parallel import parallel_figure

        result = self._result
        return parallel_figure(result.trials, models_in(result), result.best_or_none)

    def plot_budget_split(self, *, task: str | Task | SearchablePipeline | None = None) -> Figure:
        """What each subtask takes of the cost: the best and the naive allocations, and the next best trials."""
        from agent.reporting.budget_split import budget_split_figure, splits
        from agent.reporting.findings import problem_of_session

        result, problem = self._result, problem_of_session(self._result, task)
        found = splits(result, problem.space, problem.cost)
        return budget_split_figure(found, problem.space, problem.budget, problem.cost.unit)

    def plot_front(self) -> Figure:
        """Score against cost: the trials, their front, and the judged allocations."""
        from agent.reporting.score_cost import front_figure

        return front_figure(self._result)

    def plot_coupling(self, first: str = "", second: str = "") -> Figure:
        """The mean score by the choices of two subtasks together, by default the first two.

        Raises InvalidInput for a single subtask, or one that the trials do not have.
        """
        from agent.reporting.coupling import couple, coupling_figure, paired_subtasks
        from agent.reporting.findings import models_in

        trials = self._result.trials
        return coupling_figure(couple(trials, *paired_subtasks(trials, first, second), models_in(self._result)))

    def to_dataframe(self) -> pd.DataFrame:
        """One row per trial: number, choice of each subtask, cost, score, interval, state."""
        return trials_table(self._result.trials)

    def _repr_html_(self) -> str:
        """The answer as notebooks show it."""
        from agent.reporting.page import answer_block

        return answer_block(self._result)

    @property
    def _result(self) -> Result:
        return cast("Result", self)
