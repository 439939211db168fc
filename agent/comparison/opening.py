"""The arena of a plan's task, by what kind of task it is."""

from __future__ import annotations

from inspect import signature

from agent.comparison.arena import Arena
from agent.comparison.plan import Plan, TaskEntry
from agent.comparison.recorded_arena import RecordedArena
from agent.comparison.simulated_arena import SimulatedArena
from agent.pricing import priced
from environment.loading import load_task
from environment.task import TASKS
from tools.errors import InvalidInput
from tools.registry import check_options


def draw_of(entry: TaskEntry, seed: int) -> int | None:
    """The draw of a task that stands for a seed; None where the task is the same for all seeds.

    An explicit `draw` among the entry's options stays, and then the seeds vary the searcher alone.
    Raises UnknownName, InvalidInput for an option that the task does not take.
    """
    factory = TASKS.get(entry.name)
    check_options(f"task {entry.name!r}", factory, entry.options)
    return seed if "draw" in signature(factory).parameters and "draw" not in entry.options else None


def open_arena(plan: Plan, position: int, draw: int | None) -> Arena:
    """The arena of one of the plan's tasks, in its draw where `draw_of` gives one.

    Raises UnknownName, InvalidInput for an option or for a task that would run live models.
    """
    entry = plan.tasks[position]
    options = dict(entry.options) | ({} if draw is None else {"draw": draw})
    task = load_task(entry.name, **options)
    if plan.cost:
        task = priced(task, plan.cost, plan.cost_settings)
    if task.simulation is not None:
        return SimulatedArena(task, task.simulation)
    if task.recorded_from:
        return RecordedArena(task)
    raise InvalidInput(
        "tasks",
        f"{entry.name!r} runs live models, whose true scores are unknown; "
        "compare on a simulated or a recorded task (`agenttts tasks` lists them)",
    )
