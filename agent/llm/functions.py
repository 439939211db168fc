"""The calculus as functions that the search agent may call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agent.llm.answers import allocation_schema
from agent.searcher import Problem
from tools.cost import within_budget
from tools.curves import fit_curve
from tools.errors import InvalidInput
from tools.history import history_rows, stage_points
from tools.trial import Trial
from tools.validation import is_count

MOST_ROWS = 20
FACTS = ("allocation_cost", "check_allocation", "query_history")
CURVES = "fit_scaling_curve"
"""Its form says that scores saturate: no function for an agent that is not to know the insights."""


@dataclass(frozen=True)
class AgentFunctions:
    """What the agent may call, those in `names`, on one problem and the trials so far.

    Arguments come from a model and are hostile: whatever they are, `call` answers with JSON, of
    the result or of {"error": why}.
    """

    problem: Problem
    trials: Sequence[Trial]
    names: Sequence[str] = (*FACTS, CURVES)

    def schemas(self) -> list[dict[str, Any]]:
        """The functions as OpenAI-compatible endpoints want them declared."""
        stages = [subtask.name for subtask in self.problem.space.subtasks]
        models = list(dict.fromkeys(model.name for subtask in self.problem.space.subtasks for model in subtask.by_size))
        allocation = {"allocation": allocation_schema(self.problem.space)}
        subtask = {"type": "string", "enum": stages}
        model = {"type": "string", "enum": models}
        limit = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS}
        declared = [
            _declare("allocation_cost", "What an allocation costs, by subtask and in total.", allocation),
            _declare("check_allocation", "Whether an allocation fits the budget and is untried.", allocation),
            _declare(
                "query_history",
                "Completed trials, best first, all or those in which a subtask used a model.",
                {"limit": limit, "subtask": subtask, "model": model},
                required=("limit",),
            ),
            _declare(
                CURVES,
                "A subtask's score over its number of samples with one model, fitted to the trials: "
                "score(S) = single + gain * (1 - (1 - rate)^(S - 1)), and where it saturates.",
                {"subtask": subtask, "model": model},
            ),
        ]
        return [function for function in declared if function["function"]["name"] in self.names]

    def call(self, name: str, arguments: str) -> str:
        """The result of a call as JSON."""
        functions: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
            "allocation_cost": self._cost,
            "check_allocation": self._check,
            "query_history": self._history,
            CURVES: self._curve,
        }
        try:
            if name not in self.names:
                raise InvalidInput("function", f"no such function; known: {', '.join(self.names)}")
            return json.dumps(functions[name](_arguments(arguments)))
        except InvalidInput as error:
            return json.dumps({"error": str(error)})

    def _cost(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        space, cost = self.problem.space, self.problem.cost
        allocation = space.parse(arguments.get("allocation"))
        total = cost.total(space, allocation)
        return {
            "by_subtask": {s.name: round(cost.subtask(s, allocation[s.name]), 6) for s in space.subtasks},
            "total": round(total, 6),
            "left_of_budget": round(self.problem.budget - total, 6),
            "unit": cost.unit,
        }

    def _check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        allocation = self.problem.space.parse(arguments.get("allocation"))
        total = self.problem.cost.total(self.problem.space, allocation)
        tried = next((trial for trial in self.trials if trial.allocation == allocation), None)
        return {
            "within_budget": within_budget(total, self.problem.budget),
            "cost": round(total, 6),
            "tried": tried is not None,
            "score": None if tried is None else tried.score,
        }

    def _history(self, arguments: Mapping[str, Any]) -> list[dict[str, object]]:
        limit = arguments.get("limit", MOST_ROWS)
        if not is_count(limit):
            raise InvalidInput("limit", f"must be a whole number from 1 to {MOST_ROWS}, got {limit!r}")
        subtask, model = arguments.get("subtask"), arguments.get("model")
        chosen: Sequence[Trial] = self.trials
        if model is not None:
            name = self._subtask(subtask)
            chosen = [trial for trial in self.trials if trial.allocation[name].model == model]
        return history_rows(chosen, min(limit, MOST_ROWS))

    def _curve(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        subtask, model = self._subtask(arguments.get("subtask")), str(arguments.get("model"))
        points = stage_points(self.problem.space, self.trials, subtask, model)
        if not points:
            return {"points": [], "note": "no trial used this model in this subtask"}
        curve = fit_curve(*zip(*points, strict=True))
        rounded = {name: round(value, 4) for name, value in asdict(curve).items()}
        return {"points": [[count, round(score, 4)] for count, score in points], **rounded} | {
            "saturates_at": curve.saturation() if len(points) > 1 else None
        }

    def _subtask(self, name: object) -> str:
        return self.problem.space[str(name)].name


def _arguments(text: str) -> Mapping[str, Any]:
    try:
        values = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise InvalidInput("arguments", "are not JSON") from None
    if not isinstance(values, dict):
        raise InvalidInput("arguments", "must be a JSON object")
    return values


def _declare(
    name: str, description: str, properties: dict[str, Any], required: Sequence[str] | None = None
) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
