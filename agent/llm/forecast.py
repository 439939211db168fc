"""What the planner expects, as lines of a prompt: luck taken out of the trials, curves, untried allocations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from agent.belief.belief import Belief, Estimate
from agent.belief.response import ChoiceTable, Insights, choice_tables
from agent.feasible import FeasibleSpace
from agent.llm.briefing import number
from agent.llm.extent import Extent
from agent.planner.frontier import Frontier
from agent.recommendation import recommend
from agent.searcher import Problem
from tools.history import completed
from tools.space import Allocation, Choice, Variant
from tools.trial import Trial

BEST = 3
"""Tried allocations that are told with their expectation."""
CANDIDATES = 500
"""Untried allocations with the highest expectation, among which the least certain are looked for."""


@dataclass(frozen=True, slots=True)
class SubtaskCurves:
    """The curves of a subtask: a line for each of the best models, and how many are left out."""

    subtask: str
    after: str
    lines: Sequence[str]
    left_out: int


@dataclass(frozen=True, slots=True)
class Told:
    """The variables of forecast.j2, mostly lists of lines.

    `staged` says that curves are of each subtask's own score. `base` names the trial that
    `changes` start from.
    """

    staged: bool
    base: str
    tried: Sequence[str]
    curves: Sequence[SubtaskCurves]
    changes: Sequence[str]
    highest: Sequence[str]
    uncertain: Sequence[str]


class Forecast:
    """What the planner's model of all trials (agent.belief) expects, for a language model to read.

    It holds what the planner decides by: who reads it needs no statistics, and can add what the
    scores alone do not tell. Its length depends on the extent, not on the size of the space.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._tables = choice_tables(problem.space)
        self._frontier = Frontier(problem, self._tables)
        space = FeasibleSpace(problem)
        self._menus = [space.menu(subtask, {}) for subtask in problem.space.subtasks]

    def told(self, trials: Sequence[Trial], extent: Extent) -> Told | None:
        """The forecast after some trials; None while none is complete."""
        base = recommend(self._problem, trials)
        if base is None:
            return None
        belief = Belief(self._problem, self._tables, Insights(), trials)
        tried = {trial.allocation for trial in trials}
        changes = self._changes(belief, base, tried, extent.untried)
        highest, uncertain = self._untried(belief, tried | set(changes), extent.untried)
        return Told(
            staged=belief.staged,
            base=f"#{base.number}",
            tried=_tried_lines(belief, base, trials),
            curves=[self._curves(belief, base, i, extent.curves) for i in range(len(self._tables)) if extent.curves],
            changes=[self._line(_changed(base, a), a, estimate) for a, estimate in changes.items()],
            highest=[self._line(str(a), a, estimate) for a, estimate in highest],
            uncertain=[self._line(str(a), a, estimate) for a, estimate in uncertain],
        )

    def _changes(self, belief: Belief, base: Trial, tried: set[Allocation], count: int) -> dict[Allocation, Estimate]:
        """The best untried changes of one subtask's choice, about `count`, equally many for each subtask."""
        best: dict[Allocation, Estimate] = {}
        for name, table in zip(base.allocation, self._tables, strict=True):
            changed = (base.allocation.replace(name, choice) for choice in table.choices)
            untried = [allocation for allocation in changed if allocation not in tried]
            costs = self._problem.cost_table
            fitting = [a for a, fits in zip(untried, costs.fits(costs.picks(untried)), strict=True) if fits]
            ranked = sorted(zip(fitting, belief.estimates(fitting), strict=True), key=lambda pair: -pair[1].mean)
            best |= dict(ranked[: math.ceil(count / len(self._tables))])
        return best

    def _untried(
        self, belief: Belief, known: set[Allocation], count: int
    ) -> tuple[list[tuple[Allocation, Estimate]], list[tuple[Allocation, Estimate]]]:
        """The allocations with the highest expectation, and others with the highest optimistic one."""
        ranked = (allocation for allocation, _ in self._frontier.ranked(belief.mean()) if allocation not in known)
        candidates = list(islice(ranked, CANDIDATES))
        estimated = list(zip(candidates, belief.estimates(candidates), strict=True))
        others = sorted(estimated[count:], key=lambda pair: -(pair[1].mean + pair[1].deviation))
        return estimated[:count], others[: math.ceil(count / 2)]

    def _curves(self, belief: Belief, base: Trial, position: int, count: int) -> SubtaskCurves:
        """The curves of a subtask's best models, within its share of `count`, over the samples that fit the budget."""
        table, menu = self._tables[position], self._menus[position]
        estimates = dict(zip(table.choices, belief.curve(position, base.allocation), strict=True))
        curves = _by_variant(table, {c: e for c, e in estimates.items() if c.samples in menu.get(c.variant, ())})
        peaks = {variant: max(e.mean for e in curve.values()) for variant, curve in curves.items()}
        shown = sorted(peaks, key=lambda variant: -peaks[variant])[: max(1, count // len(self._tables))]
        names = list(base.allocation)
        return SubtaskCurves(
            names[position],
            ", ".join(f"{name} {base.allocation[name]}" for name in names[:position]),
            [f"{variant}: {_points(curve)}" for variant, curve in curves.items() if variant in shown],
            len(curves) - len(shown),
        )

    def _line(self, what: str, allocation: Allocation, estimate: Estimate) -> str:
        return f"{_estimate(estimate)}, cost {number(self._cost(allocation))}; {what}"

    def _cost(self, allocation: Allocation) -> float:
        return self._problem.cost.total(self._problem.space, allocation)


def _tried_lines(belief: Belief, base: Trial, trials: Sequence[Trial]) -> list[str]:
    """The trial to recommend, then those with the highest expectation."""
    done = completed(trials)
    expected = dict(zip((t.number for t in done), belief.estimates([t.allocation for t in done]), strict=True))
    ranked = sorted(done, key=lambda trial: (trial is not base, -expected[trial.number].mean))
    return [f"#{t.number} expected {_estimate(expected[t.number])}, scored {t.score:.3f}" for t in ranked[:BEST]]


def _changed(base: Trial, allocation: Allocation) -> str:
    return ", ".join(f"{name}: {choice}" for name, choice in allocation.items() if base.allocation[name] != choice)


def _by_variant(table: ChoiceTable, estimates: dict[Choice, Estimate]) -> dict[Variant, dict[int, Estimate]]:
    """The estimates of each model by sample count, in the table's order."""
    curves: dict[Variant, dict[int, Estimate]] = {}
    for choice in table.choices:
        if choice in estimates:
            curves.setdefault(choice.variant, {})[choice.samples] = estimates[choice]
    return curves


def _points(curve: dict[int, Estimate]) -> str:
    """A curve at its least, best and most samples."""
    peak = max(curve, key=lambda count: (curve[count].mean, -count))
    shown = sorted({min(curve), peak, max(curve)})
    return ", ".join(f"x{n} {_estimate(curve[n])}{' (peak)' if n == peak else ''}" for n in shown)


def _estimate(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f}±{estimate.deviation:.1g}"
