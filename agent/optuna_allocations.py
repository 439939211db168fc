"""How studies that anyone may read hold allocations: a parameter for each part of each stage's choice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from agent.feasible import FeasibleSpace, Menu
from agent.searcher import Problem
from tools.cost import within_budget
from tools.errors import InvalidAllocation
from tools.space import Allocation, Choice, SearchSpace, Subtask
from tools.trial import StageScore

SAMPLES = "samples"
COST, ORIGIN, REASON, GUIDELINE = "agenttts.cost", "agenttts.origin", "agenttts.reason", "agenttts.guideline"
STAGE_SCORES = "agenttts.stage_scores"
"""User attributes of trials."""

Agrees = Callable[[str, str, Any], bool]
"""Whether a value may stand for a part ("model", "samples", ...) of a subtask's choice."""


def parameter(subtask: str, part: str) -> str:
    """The parameter's name, such as "retrieval.model"."""
    return f"{subtask}.{part}"


def parts_of(subtask: Subtask) -> tuple[str, ...]:
    """The parts of a subtask's choice: "model", "strategy" and "temperature" where listed, "samples"."""
    return (*subtask.candidates, SAMPLES)


def parameter_distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Every parameter of a space and its distribution: samples are a logarithmic int where every count is allowed."""
    found: dict[str, BaseDistribution] = {}
    for subtask in space.subtasks:
        for part, options in subtask.candidates.items():
            found[parameter(subtask.name, part)] = CategoricalDistribution(options)
        found[parameter(subtask.name, SAMPLES)] = (
            IntDistribution(1, space.max_samples, log=True)
            if space.all_counts_up_to_max
            else CategoricalDistribution(space.sample_counts)
        )
    return found


def parameters_of(allocation: Mapping[str, Choice]) -> dict[str, Any]:
    """The parameters that an allocation is."""
    return {parameter(name, part): value for name, c in allocation.items() for part, value in c.to_dict().items()}


def allocation_in(
    space: SearchSpace, parameters: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> Allocation | None:
    """The allocation that parameters are, if they are one of the space.

    A part that is missing comes from `defaults`, or is the first strategy or temperature listed.
    """
    known = {**(defaults or {}), **parameters}
    values: dict[str, dict[str, Any]] = {}
    for subtask in space.subtasks:
        usual = {part: options[0] for part, options in subtask.candidates.items() if part != "model"}
        given = {part: known[parameter(subtask.name, part)] for part in parts_of(subtask)
                 if parameter(subtask.name, part) in known}  # fmt: skip
        values[subtask.name] = usual | given
    try:
        return space.parse(values)
    except InvalidAllocation:
        return None


def excesses(problem: Problem, allocation: Mapping[str, Choice]) -> dict[str, float]:
    """By how much an allocation exceeds the budget and each cap, in their units; zero or less where it fits."""
    limits = {"budget": (problem.cost, problem.budget)} | {cap.field: (cap.cost, cap.limit) for cap in problem.caps}
    found = {}
    for name, (cost, limit) in limits.items():
        total = cost.total(problem.space, allocation)
        found[name] = min(total - limit, 0.0) if within_budget(total, limit) else total - limit
    return found


def closest(
    space: FeasibleSpace, wanted: Allocation, agrees: Agrees, first: Collection[str], rng: np.random.Generator
) -> Allocation | None:
    """A feasible allocation whose parts all agree, like the wanted one where it can be; None where none was found.

    The subtasks named in `first` choose first: what they are held to may leave little room.
    """
    chosen: dict[str, Choice] = {}
    for subtask in sorted(space.problem.space.subtasks, key=lambda subtask: subtask.name not in first):
        choice = _choice(subtask, space.menu(subtask, chosen), wanted[subtask.name], agrees, rng)
        if choice is None:
            return None
        chosen[subtask.name] = choice
    return space.problem.space.validate(chosen)


def _choice(subtask: Subtask, menu: Menu, wanted: Choice, agrees: Agrees, rng: np.random.Generator) -> Choice | None:
    fitting = {
        variant: left
        for variant, counts in menu.items()
        if all(agrees(subtask.name, part, getattr(variant, part)) for part in subtask.candidates)
        and (left := [count for count in counts if agrees(subtask.name, SAMPLES, count)])
    }
    if not fitting:
        return None
    variant = wanted.variant if wanted.variant in fitting else list(fitting)[int(rng.integers(len(fitting)))]
    return variant.choice(min(fitting[variant], key=lambda count: abs(np.log(count / wanted.samples))))


def report_stage_scores(trial: optuna.trial.Trial, scores: Mapping[str, float | StageScore]) -> None:
    """Tells the sampler what each stage scored; it learns more from them than from the final score alone.

    `scores` holds the mean of each subtask's metric, higher is better, by the subtask's name.
    """
    means = {name: float(s.mean if isinstance(s, StageScore) else s) for name, s in scores.items()}
    trial.set_user_attr(STAGE_SCORES, means)
