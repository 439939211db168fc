"""The calculus as functions that the search agent may call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agent.llm.answers import allocation_schema, part_schema
from agent.searcher import Problem
from tools.cost import within_budget
from tools.curves import fit_curve
from tools.errors import InvalidInput
from tools.history import history_rows, stage_points
from tools.space import Allocation
from tools.text import shortened
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
        values: dict[str, dict[Any, None]] = {}
        for stage in self.problem.space.subtasks:
            for part, candidates in stage.candidates.items():
                values.setdefault(part, {}).update(dict.fromkeys(candidates))
        parts = {part: part_schema(part, list(candidates)) for part, candidates in values.items()}
        allocation = {"allocation": allocation_schema(self.problem.space)}
        subtask = {"type": "string", "enum": stages}
        limit = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS}
        declared = [
            _declare("allocation_cost", "What an allocation costs, by subtask and in total.", allocation),
            _declare("check_allocation", "Whether an allocation fits the budget and is untried.", allocation),
            _declare(
                "query_history",
                f"Completed trials, best first, all or those in which a subtask used a {' or a '.join(parts)}.",
                {"limit": limit, "subtask": subtask, **parts},
                required=("limit",),
            ),
            _declare(
                CURVES,
                "A subtask's score over its number of samples with one model, fitted to the trials: "
                "score(S) = single + gain * (1 - (1 - rate)^(S - 1)), and where it saturates.",
                {"subtask": subtask, **parts},
                required=("subtask", "model"),
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
        } | self._further(allocation)

    def _check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        allocation = self.problem.space.parse(arguments.get("allocation"))
        total = self.problem.cost.total(self.problem.space, allocation)
        tried = next((trial for trial in self.trials if trial.allocation == allocation), None)
        return {
            "within_budget": within_budget(total, self.problem.budget),
            "cost": round(total, 6),
            "tried": tried is not None,
            "score": None if tried is None else tried.score,
        } | self._further(allocation)

    def _further(self, allocation: Allocation) -> dict[str, Any]:
        """What an allocation costs in each cost that has a cap; nothing where there is none."""
        totals = [(cap, cap.cost.total(self.problem.space, allocation)) for cap in self.problem.caps]
        caps = [{"cost": round(total, 9), "cap": cap.limit, "unit": cap.cost.unit} for cap, total in totals]
        within = all(within_budget(total, cap.limit) for cap, total in totals)
        return {"caps": caps, "within_every_cap": within} if caps else {}

    def _history(self, arguments: Mapping[str, Any]) -> list[dict[str, object]]:
        limit = arguments.get("limit", MOST_ROWS)
        if not is_count(limit):
            raise InvalidInput("limit", f"must be a whole number from 1 to {MOST_ROWS}, got {shortened(limit)}")
        wanted = _parts(arguments)
        chosen: Sequence[Trial] = self.trials
        if wanted:
            name = self._subtask(arguments.get("subtask"))
            chosen = [
                trial
                for trial in self.trials
                if all(getattr(trial.allocation[name], part) == value for part, value in wanted.items())
            ]
        return history_rows(chosen, min(limit, MOST_ROWS))

    def _curve(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        subtask, wanted = self._subtask(arguments.get("subtask")), _parts(arguments)
        others = {part: value for part, value in wanted.items() if part != "model"}
        points = stage_points(self.problem.space, self.trials, subtask, str(wanted.get("model")), **others)
        if not points:
            return {"points": [], "note": f"no trial used this {' and '.join(wanted)} in this subtask"}
        curve = fit_curve(*zip(*points, strict=True))
        rounded = {name: round(value, 4) for name, value in asdict(curve).items()}
        return {"points": [[count, round(score, 4)] for count, score in points], **rounded} | {
            "saturates_at": curve.saturation() if len(points) > 1 else None
        }

    def _subtask(self, name: object) -> str:
        return self.problem.space[str(name)].name


def _parts(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a choice that are asked about."""
    return {part: arguments[part] for part in ("model", "strategy", "temperature") if arguments.get(part) is not None}


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
