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
from tools.price import PriceCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask
from tools.trial import Guideline, StageScore, Trial, TrialState

if TYPE_CHECKING:
    from agent.search import Search
    from agent.session import Result, load_result, resume, run

# Imported when first used: they bring the search loop and the database with them.
_LAZY = {
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
    "EndpointError",
    "FlopsCost",
    "Guideline",
    "InvalidAllocation",
    "InvalidInput",
    "MissingSample",
    "Model",
    "PriceCost",
    "Result",
    "Search",
    "SearchSpace",
    "StageScore",
    "StorageError",
    "Subtask",
    "Trial",
    "TrialState",
    "UnknownName",
    "UnknownSession",
    "load_result",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'agenttts' has no attribute {name!r}")
