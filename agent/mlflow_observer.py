"""Logs a session to MLflow: one run with parameters, metrics by trial, guidelines and the result."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agent.participation import SessionObserver
from agent.search import Search
from environment.task import Task
from storage.sample import Sample
from storage.session import SessionRecord
from tools.errors import InvalidInput
from tools.trial import Guideline, Trial

if TYPE_CHECKING:
    from agent.session import Result

LOG = logging.getLogger(__name__)
EXPERIMENT = "agenttts"
SESSION = "agenttts.session"
LONGEST_PARAMETER = 6000
"""Characters that MLflow takes."""


class MlflowObserver(SessionObserver):
    """Logs a session as one MLflow run, which a resumed session goes on with.

    Metrics have the trial's number as their step. What MLflow refuses after the run has begun is
    logged as a warning and never ends the session.
    """

    def __init__(self, uri: str, experiment: str = EXPERIMENT) -> None:
        """`uri` is MLflow's tracking URI, such as sqlite:///mlflow.db or http://127.0.0.1:5000.

        Raises InvalidInput where MLflow is not installed or the URI cannot be used.
        """
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError:
            raise InvalidInput("mlflow", 'needs MLflow: pip install "agenttts[mlflow]"') from None
        self._refusal = MlflowException
        self._run = ""
        try:
            self._client = MlflowClient(tracking_uri=uri)
            known = self._client.get_experiment_by_name(experiment)
            self._experiment = self._client.create_experiment(experiment) if known is None else known.experiment_id
        except Exception as error:
            # Not the exception's type: MLflow lets through what its stores raise.
            problem = " ".join(str(error).split())[:300]
            raise InvalidInput("mlflow", f"the tracking URI cannot be used: {problem}") from error

    def session_started(self, record: SessionRecord, task: Task, search: Search) -> None:
        try:
            self._run = self._run_of(record, task)
        except self._refusal as error:
            LOG.warning("MLflow takes no run: %s", error)

    def samples_generated(self, model: str, samples: Sequence[Sample]) -> None:
        """The trials' metrics count them."""

    def trial_finished(self, trial: Trial, search: Search) -> None:
        metrics = {"cost": trial.cost, **{f"usage.{name}": float(n) for name, n in asdict(trial.usage).items()}}
        if trial.score is not None:
            metrics |= {"score": trial.score, "score.low": trial.interval.low, "score.high": trial.interval.high}
        metrics |= {f"score.{name}": score.mean for name, score in trial.stage_scores.items()}
        if search.best is not None and search.best.score is not None:
            metrics["score.best"] = search.best.score
        self._log_metrics(metrics, step=trial.number)

    def guideline_written(self, guideline: Guideline) -> None:
        self._log_text(guideline.text, f"guidelines/batch-{guideline.batch:03d}.txt")

    def judging_started(self) -> None:
        """The result tells what it finds."""

    def session_ended(self, result: Result | None, error: BaseException | None) -> None:
        """Logs what was found and ends the run: finished, killed where it was interrupted, else failed."""
        if not self._run:
            return
        if result is not None:
            self._log_result(result)
        stopped = "FAILED" if isinstance(error, Exception) else "KILLED"
        self._try(lambda: self._client.set_terminated(self._run, "FINISHED" if error is None else stopped))

    def _run_of(self, record: SessionRecord, task: Task) -> str:
        config = record.config
        found = self._client.search_runs([self._experiment], f"tags.`{SESSION}` = '{record.id}'", max_results=1)
        if found:
            run = str(found[0].info.run_id)
            self._client.update_run(run, "RUNNING")
            return run
        tags = {SESSION: record.id, "agenttts.simulated": str(task.simulated).lower()}
        if task.recorded_from:
            tags["agenttts.recorded_from"] = task.recorded_from
        run = str(self._client.create_run(self._experiment, run_name=f"agenttts-{record.id}", tags=tags).info.run_id)
        for name in ("task", "searcher", "seed", "budget", "cost", "trials", "batch", "task_options", "caps"):
            value = getattr(config, name)
            text = value if isinstance(value, str) else json.dumps(value)
            self._client.log_param(run, name, text[:LONGEST_PARAMETER])
        return run

    def _log_result(self, result: Result) -> None:
        best = result.best_or_none
        if best is not None:
            self._log_text(json.dumps(best.allocation.to_dict(), indent=2), "best_allocation.json")
            self._try(lambda: self._client.set_tag(self._run, "agenttts.best", str(best.allocation)))
        for evaluation in result.evaluations:
            name = f"{evaluation.split}.{evaluation.label}".replace(" ", "_")
            metrics = {name: evaluation.score.mean, f"{name}.cost": evaluation.cost}
            interval = evaluation.score.interval
            self._log_metrics(metrics | {f"{name}.low": interval.low, f"{name}.high": interval.high}, step=0)

    def _log_metrics(self, metrics: dict[str, float], step: int) -> None:
        from time import time

        from mlflow.entities import Metric

        now = int(time() * 1000)
        listed = [Metric(name, value, now, step) for name, value in metrics.items()]
        self._try(lambda: self._client.log_batch(self._run, metrics=listed))

    def _log_text(self, text: str, path: str) -> None:
        self._try(lambda: self._client.log_text(self._run, text, path))

    def _try(self, log: Any) -> None:
        if not self._run:
            return
        try:
            log()
        except (self._refusal, OSError) as error:
            LOG.warning("MLflow: %s", error)
