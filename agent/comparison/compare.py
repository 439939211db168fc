"""The comparison as one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.comparison.opening import draw_of, open_arena
from agent.comparison.plan import Plan, SearcherEntry, TaskEntry
from agent.comparison.pool import Progress, Report, available_processors, run_plan
from agent.comparison.result import Comparison
from agent.comparison.run import build_search
from tools.declared import names_misfits
from tools.errors import InvalidInput
from tools.text import shortened
from tools.validation import is_count

ONE_PROBLEM = "it is one problem, whose seeds vary the searchers alone"


@names_misfits
def compare(
    tasks: str | TaskEntry | Sequence[str | TaskEntry],
    searchers: Sequence[str | SearcherEntry] = ("planner", "random", "tpe"),
    *,
    seeds: int = 20,
    trials: int = 50,
    batch: int = 10,
    budgets: Sequence[float | str] = ("default",),
    cost: str | None = None,
    cost_settings: Mapping[str, Any] | None = None,
    reference: str = "",
    first_seed: int = 1,
    checkpoints: Sequence[int] = (10, 25, 50),
    within: float = 0.01,
    tie_tolerance: float = 0.005,
    workers: int | None = None,
    report: Report | None = None,
) -> Comparison:
    """Runs searchers side by side on simulated or recorded tasks and judges them by the truth.

    Plan says what the arguments mean. `workers` processes share the work, one a processor by
    default; the result does not depend on it. Processes import the calling script anew: it needs
    `if __name__ == "__main__":`, and what it registered by decorator is known to them only if that
    stands outside. `report` is told of progress. Raises InvalidInput before the first run; a run
    that fails later is in `failures`.

        found = compare("simulated-2wiki", ["planner", "tpe"], seeds=30, budgets=["low", "high"])
        found.to_dataframe("paired")
    """
    plan = Plan(
        tasks=tuple(
            TaskEntry(entry) if isinstance(entry, str) else entry
            for entry in ([tasks] if isinstance(tasks, str | TaskEntry) else tasks)
        ),
        searchers=tuple(SearcherEntry(entry) if isinstance(entry, str) else entry for entry in searchers),
        seeds=seeds,
        trials=trials,
        batch=batch,
        budgets=tuple(budgets),
        cost=cost,
        cost_settings=dict(cost_settings or {}),
        reference=reference,
        first_seed=first_seed,
        checkpoints=tuple(checkpoints),
        within=within,
        tie_tolerance=tie_tolerance,
    )
    if workers is not None and not is_count(workers):
        raise InvalidInput("workers", f"must be a whole number of 1 or more, got {shortened(workers)}")
    truths = check_plan(plan)
    runs = run_plan(plan, workers or available_processors(), report or _silent)
    return Comparison(plan, tuple(runs), truths)


def check_plan(plan: Plan) -> dict[str, str]:
    """What the true score of each task is; raises InvalidInput where a task, budget or searcher cannot run."""
    truths: dict[str, str] = {}
    for position, entry in enumerate(plan.tasks):
        draw = draw_of(entry, plan.first_seed)
        arena = open_arena(plan, position, draw)
        truths[entry.label] = arena.truth if draw is not None else f"{arena.truth}; {ONE_PROBLEM}"
        for budget in plan.budgets:
            for searcher in plan.searchers:
                build_search(arena, searcher, arena.budget(budget), plan.first_seed)
    return truths


def _silent(_: Progress) -> None: ...
