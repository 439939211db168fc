"""Writes a session as an Optuna study, for Optuna's figures, its dashboard and its samplers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, astuple
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import optuna
from sqlalchemy.exc import SQLAlchemyError

from agent.optuna_allocations import (
    COST,
    ORIGIN,
    REASON,
    STAGE_SCORES,
    excesses,
    parameter_distributions,
    parameters_of,
)
from agent.pricing import caps_from_dicts
from agent.search import Search
from agent.searcher import Problem
from agent.setup import problem_of
from environment.loading import load_task
from storage.archive import Archive
from storage.database import DEFAULT_URL, Database
from storage.session import SessionConfig, SessionRecord
from tools.cost import COSTS
from tools.errors import InvalidInput
from tools.registry import built
from tools.trial import Trial, TrialState

STATES = {
    TrialState.WAITING: optuna.trial.TrialState.WAITING,
    TrialState.RUNNING: optuna.trial.TrialState.RUNNING,
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}
Times = tuple[datetime, datetime]


def export_study(
    session: str,
    storage: str = DEFAULT_URL,
    target: str | optuna.storages.BaseStorage | None = None,
    name: str | None = None,
) -> optuna.Study:
    """A session (id, unique prefix or "last") as a new study in `target`: an Optuna storage, its URL, None for memory.

    A trial's parameters are named as AgentTTSSampler names them, its value is the score, its intermediate
    values are the score over the first 1, 2, ... examples, its constraints what it exceeds the limits by.
    Everything else of the trials and of the session is a user attribute that starts with "agenttts.".
    `name` defaults to "agenttts-ID". Raises UnknownSession, and InvalidInput where the study's storage
    cannot be used or holds a study of that name.
    """
    with Database.open(storage) as database:
        archive = Archive(database)
        record = archive.session(session)
        trials, times = archive.trials(record.id), archive.trial_times(record.id)
        problem = _problem(archive.setup(record.id), record.config)
        attributes = _session_attributes(record, archive, problem)
    study = _new_study(target, f"agenttts-{record.id}" if name is None else name)
    for key, value in attributes.items():
        study.set_user_attr(f"agenttts.{key}", value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([list(problem.metrics.values())[-1] if problem.metrics else "score"])
    for trial in trials:
        study.add_trial(_frozen(trial, problem, times[trial.number]))
    return study


def _problem(setup: Mapping[str, Any] | None, config: SessionConfig) -> Problem:
    if setup is not None:
        return problem_of(setup["problem"], config)
    task = load_task(config.task, **config.task_options)
    cost = built(f"cost {config.cost!r}", COSTS.get(config.cost), config.cost_settings)
    return Search(task.space, config.budget, cost=cost, metrics=task.metrics, caps=caps_from_dicts(config.caps)).problem


def _new_study(target: str | optuna.storages.BaseStorage | None, name: str) -> optuna.Study:
    try:
        return optuna.create_study(
            storage=optuna.storages.InMemoryStorage() if target is None else target,
            study_name=name,
            direction="maximize",
        )
    except optuna.exceptions.DuplicatedStudyError:
        raise InvalidInput("study_name", f"a study {name!r} is already there; give another name") from None
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        problem = str(error).splitlines()[0]
        raise InvalidInput("study", f"is no Optuna storage, such as sqlite:///study.db: {problem}") from None


def _session_attributes(record: SessionRecord, archive: Archive, problem: Problem) -> dict[str, Any]:
    config = record.config
    return {
        "session": record.id,
        "state": str(record.state),
        "task": config.task,
        "searcher": config.searcher,
        "seed": config.seed,
        "budget": config.budget,
        "cost": problem.cost.name,
        "cost_unit": problem.cost.unit,
        "metrics": dict(problem.metrics),
        "recorded_from": config.recorded_from or "",
        "simulated": bool(config.simulated),
        "guidelines": [asdict(guideline) for guideline in archive.guidelines(record.id)],
        "evaluations": [
            {
                "label": evaluation.label,
                "split": evaluation.split,
                "allocation": evaluation.allocation.to_dict(),
                "cost": evaluation.cost,
                "stage_scores": {name: score.mean for name, score in evaluation.stage_scores.items()},
                "interval": list(astuple(evaluation.score.interval)),
            }
            for evaluation in archive.evaluations(record.id)
        ],
    }


def _frozen(trial: Trial, problem: Problem, times: Times) -> optuna.trial.FrozenTrial:
    values, kinds = parameters_of(trial.allocation), parameter_distributions(problem.space)
    waiting = trial.state is TrialState.WAITING
    frozen = optuna.create_trial(
        state=STATES[trial.state],
        value=trial.score,
        params={} if waiting else values,
        distributions={} if waiting else {name: kinds[name] for name in values},
        user_attrs=_trial_attributes(trial),
        system_attrs={f"constraints:{name}": excess for name, excess in excesses(problem, trial.allocation).items()}
        | ({"fixed_params": values} if waiting else {}),
        intermediate_values=_running_means(trial),
    )
    created, updated = (_local(moment) for moment in times)
    frozen.datetime_start = None if waiting else created
    frozen.datetime_complete = updated if frozen.state.is_finished() else None
    return frozen


def _trial_attributes(trial: Trial) -> dict[str, Any]:
    scores = {f"agenttts.score.{name}": score.mean for name, score in trial.stage_scores.items()}
    usage = {f"agenttts.usage.{name}": value for name, value in asdict(trial.usage).items()}
    found = {
        COST: trial.cost,
        ORIGIN: trial.origin,
        REASON: trial.reason,
        "agenttts.batch": trial.batch,
        STAGE_SCORES: {name: score.mean for name, score in trial.stage_scores.items()},
        **scores,
        **usage,
    }
    if trial.state is TrialState.COMPLETE:
        found["agenttts.interval"] = list(astuple(trial.interval))
    return found | ({"agenttts.error": trial.error} if trial.error else {})


def _running_means(trial: Trial) -> dict[int, float]:
    """The score over the first 1, 2, ... examples, where that of each example is known."""
    last = list(trial.stage_scores.values())[-1:]
    sums = accumulate(last[0].per_example) if last else ()
    return {place: total / place for place, total in enumerate(sums, 1)}


def _local(moment: datetime) -> datetime:
    """As Optuna keeps it: local time without a zone."""
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.astimezone().replace(tzinfo=None)
