"""agenttts: the compute-optimal model and sample allocation of multi-stage LLM pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.comparison.compare import compare
    from agent.comparison.plan import SearcherEntry, TaskEntry
    from agent.comparison.result import Comparison
    from agent.log import export_log, import_log, replay_log
    from agent.measurement import measure_recording, measure_session
    from agent.mlflow_observer import MlflowObserver
    from agent.observers import Observers
    from agent.pareto import Front, load_front, pareto
    from agent.search import Search
    from agent.session import Result, load_result, resume, run
    from agent.tracing_observer import TracingObserver
    from agenttts import langgraph, optuna, parsers, votes
    from environment.allocated import allocated
    from environment.backends.endpoint import Endpoint
    from environment.pipelines.pipeline import Pipeline
    from environment.stage import Stage
    from environment.task import Task
    from storage.sample import Message, SamplingParameters
    from tools.errors import (
        AgentttsError,
        BudgetExceeded,
        ClusterError,
        EndpointError,
        InvalidAllocation,
        InvalidInput,
        MissingSample,
        NoDatabase,
        PipelineError,
        SessionInterrupted,
        SpendingCapReached,
        StorageError,
        UnknownName,
        UnknownSession,
    )
    from tools.flops import FlopsCost
    from tools.kinetics import KineticsCost
    from tools.latency import LatencyCost
    from tools.limits import Cap
    from tools.measured import Measurements
    from tools.price import PriceCost
    from tools.space import Allocation, Choice, Model, SearchSpace, Subtask
    from tools.spending import SpendingCaps
    from tools.tokens import TokensCost
    from tools.trial import Guideline, StageScore, Trial, TrialState

# Imported when first used: a program, the command line above all, pays for what it uses alone.
_LAZY = {
    "AgentttsError": "tools.errors",
    "BudgetExceeded": "tools.errors",
    "ClusterError": "tools.errors",
    "EndpointError": "tools.errors",
    "InvalidAllocation": "tools.errors",
    "InvalidInput": "tools.errors",
    "MissingSample": "tools.errors",
    "NoDatabase": "tools.errors",
    "PipelineError": "tools.errors",
    "SessionInterrupted": "tools.errors",
    "SpendingCapReached": "tools.errors",
    "StorageError": "tools.errors",
    "UnknownName": "tools.errors",
    "UnknownSession": "tools.errors",
    "FlopsCost": "tools.flops",
    "KineticsCost": "tools.kinetics",
    "LatencyCost": "tools.latency",
    "Cap": "tools.limits",
    "Measurements": "tools.measured",
    "PriceCost": "tools.price",
    "Allocation": "tools.space",
    "Choice": "tools.space",
    "Model": "tools.space",
    "SearchSpace": "tools.space",
    "Subtask": "tools.space",
    "SpendingCaps": "tools.spending",
    "TokensCost": "tools.tokens",
    "Guideline": "tools.trial",
    "StageScore": "tools.trial",
    "Trial": "tools.trial",
    "TrialState": "tools.trial",
    "Comparison": "agent.comparison.result",
    "SearcherEntry": "agent.comparison.plan",
    "TaskEntry": "agent.comparison.plan",
    "compare": "agent.comparison.compare",
    "MlflowObserver": "agent.mlflow_observer",
    "Observers": "agent.observers",
    "TracingObserver": "agent.tracing_observer",
    "Search": "agent.search",
    "Result": "agent.session",
    "load_result": "agent.session",
    "export_log": "agent.log",
    "import_log": "agent.log",
    "replay_log": "agent.log",
    "measure_recording": "agent.measurement",
    "measure_session": "agent.measurement",
    "Front": "agent.pareto",
    "load_front": "agent.pareto",
    "pareto": "agent.pareto",
    "resume": "agent.session",
    "run": "agent.session",
    "Endpoint": "environment.backends.endpoint",
    "Pipeline": "environment.pipelines.pipeline",
    "allocated": "environment.allocated",
    "Stage": "environment.stage",
    "Task": "environment.task",
    "Message": "storage.sample",
    "SamplingParameters": "storage.sample",
}

__all__ = [
    "AgentttsError",
    "Allocation",
    "BudgetExceeded",
    "Cap",
    "Choice",
    "ClusterError",
    "Comparison",
    "Endpoint",
    "EndpointError",
    "FlopsCost",
    "Front",
    "Guideline",
    "InvalidAllocation",
    "InvalidInput",
    "KineticsCost",
    "LatencyCost",
    "Measurements",
    "Message",
    "MissingSample",
    "MlflowObserver",
    "Model",
    "NoDatabase",
    "Observers",
    "Pipeline",
    "PipelineError",
    "PriceCost",
    "Result",
    "SamplingParameters",
    "Search",
    "SearchSpace",
    "SearcherEntry",
    "SessionInterrupted",
    "SpendingCapReached",
    "SpendingCaps",
    "Stage",
    "StageScore",
    "StorageError",
    "Subtask",
    "Task",
    "TaskEntry",
    "TokensCost",
    "TracingObserver",
    "Trial",
    "TrialState",
    "UnknownName",
    "UnknownSession",
    "allocated",
    "compare",
    "export_log",
    "import_log",
    "langgraph",
    "load_front",
    "load_result",
    "measure_recording",
    "measure_session",
    "optuna",
    "pareto",
    "parsers",
    "replay_log",
    "resume",
    "run",
    "votes",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in ("langgraph", "optuna", "parsers", "votes"):
        return import_module(f"agenttts.{name}")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'agenttts' has no attribute {name!r}")
