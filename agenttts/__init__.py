"""agenttts: the compute-optimal model and sample allocation of multi-stage LLM pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.errors import (
    AgentttsError,
    BudgetExceeded,
    EndpointError,
    InvalidAllocation,
    InvalidInput,
    MissingSample,
    StorageError,
    UnknownName,
    UnknownSession,
)
from tools.flops import FlopsCost
from tools.kinetics import KineticsCost
from tools.latency import LatencyCost
from tools.measured import Measurements
from tools.price import PriceCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask
from tools.tokens import TokensCost
from tools.trial import Guideline, StageScore, Trial, TrialState

if TYPE_CHECKING:
    from agent.comparison.compare import compare
    from agent.comparison.plan import SearcherEntry, TaskEntry
    from agent.comparison.result import Comparison
    from agent.search import Search
    from agent.session import Result, load_result, resume, run

# Imported when first used: they bring the search loop and the database with them.
_LAZY = {
    "Comparison": "agent.comparison.result",
    "SearcherEntry": "agent.comparison.plan",
    "TaskEntry": "agent.comparison.plan",
    "compare": "agent.comparison.compare",
    "Search": "agent.search",
    "Result": "agent.session",
    "load_result": "agent.session",
    "resume": "agent.session",
    "run": "agent.session",
}

__all__ = [
    "AgentttsError",
    "Allocation",
    "BudgetExceeded",
    "Choice",
    "Comparison",
    "EndpointError",
    "FlopsCost",
    "Guideline",
    "InvalidAllocation",
    "InvalidInput",
    "KineticsCost",
    "LatencyCost",
    "Measurements",
    "MissingSample",
    "Model",
    "PriceCost",
    "Result",
    "Search",
    "SearchSpace",
    "SearcherEntry",
    "StageScore",
    "StorageError",
    "Subtask",
    "TaskEntry",
    "TokensCost",
    "Trial",
    "TrialState",
    "UnknownName",
    "UnknownSession",
    "compare",
    "load_result",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'agenttts' has no attribute {name!r}")
