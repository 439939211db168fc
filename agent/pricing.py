"""The cost models and caps of a session, from what a person names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from environment.measuring import measured_recording
from environment.task import Task
from tools.cost import COSTS, CostModel
from tools.errors import InvalidInput
from tools.limits import Cap
from tools.measured import Measurements
from tools.measured_cost import MeasuredCost
from tools.registry import built, check_options

NAMED, SETTINGS, LIMIT = "cost", "settings", "limit"

Caps = Mapping[str, float] | Sequence[Cap]
"""Limits by the names of their cost models, or caps with cost models of one's own settings."""


def priced(
    task: Task,
    cost: str | CostModel | None = None,
    settings: Mapping[str, Any] | None = None,
    caps: Caps = (),
    measured: Measurements | None = None,
) -> Task:
    """The task with the costs and caps that were asked for in place of its own, where any were.

    Costs in measured tokens or seconds take `measured`; without it a recorded task measures its
    recording. Raises UnknownName, or InvalidInput for settings that the model does not take and where
    measurements are missing.
    """
    if settings and not isinstance(cost, str):
        raise InvalidInput("cost_settings", "belong to a cost model that is named; name it, or build it with them")
    if cost:
        model = build_cost(task, cost, settings or {}, measured) if isinstance(cost, str) else registered(cost)
        # The task's own budget is in the unit of its own cost.
        task = replace(task, cost=model, budget=None)
    if caps:
        task = replace(task, caps=build_caps(task, caps, measured))
    return task


def build_cost(task: Task, name: str, settings: Mapping[str, Any], measured: Measurements | None) -> CostModel:
    """The cost model called `name`."""
    kind = COSTS.get(name)
    check_options(f"cost {name!r}", kind, settings)
    if issubclass(kind, MeasuredCost) and "table" not in settings:
        found = measured or (measured_recording(task) if task.recorded_from else None)
        settings = {**settings, "table": found.to_dict()} if found else settings
    return built(f"cost {name!r}", kind, settings)


def registered(model: CostModel) -> CostModel:
    """The model, once it is known that a stored session can build it again. Raises InvalidInput."""
    if model.name not in COSTS.names() or COSTS.get(model.name) is not type(model):
        raise InvalidInput("cost", f"{type(model).__name__} is not registered as {model.name!r} (agenttts.costs)")
    return model


def build_caps(task: Task, caps: Caps, measured: Measurements | None) -> tuple[Cap, ...]:
    """The caps, each cost at most once and none that is the main cost again."""
    if isinstance(caps, Mapping):
        built = [Cap(build_cost(task, name, {}, measured), limit) for name, limit in caps.items()]
    else:
        built = [Cap(registered(cap.cost), cap.limit) for cap in caps]
    names = [cap.cost.name for cap in built]
    if len(set(names)) < len(names):
        raise InvalidInput("caps", f"a cost stands twice: {', '.join(names)}")
    if task.cost.name in names:
        raise InvalidInput(f"cap {task.cost.name}", "is on the cost that the budget limits; lower the budget instead")
    return tuple(built)


def caps_to_dicts(caps: Sequence[Cap]) -> list[dict[str, Any]]:
    """Caps as plain values, as sessions store them."""
    return [{NAMED: cap.cost.name, SETTINGS: cap.cost.settings(), LIMIT: cap.limit} for cap in caps]


def caps_from_dicts(values: Sequence[Mapping[str, Any]]) -> tuple[Cap, ...]:
    """The inverse of `caps_to_dicts`."""
    return tuple(Cap(COSTS.get(cap[NAMED])(**cap[SETTINGS]), cap[LIMIT]) for cap in values)
