"""What a searcher thinks between trials: ask and tell at trial 50 beside Optuna's samplers, and the planner at 1,000.

The trials come from a simulated problem; the numerical libraries should have one thread, as below. Optuna's samplers
are those of Optuna itself, on the space's plain parameters and without a budget; the baselines of this project,
which keep to the budget, are told beside them.

OMP_NUM_THREADS=1 python scripts/bench_searchers.py
"""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Callable

import numpy as np
import optuna
from bench_script import Line, milliseconds, parser, ratios, seconds, show

from agent.comparison.simulated_arena import SimulatedArena
from agent.feasible import FeasibleSpace
from agent.optuna_allocations import allocation_in, parameter_distributions
from agent.search import Search
from agent.searcher import build_searcher
from environment.loading import load_task
from tools.trial import Trial, TrialState

AROUND = 3
"""The time at a trial is the median over so many before it, itself, and so many after it."""
SAMPLERS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "Optuna's GPSampler": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "Optuna's TPESampler": lambda seed: optuna.samplers.TPESampler(seed=seed),
}


def arena_of(seed: int) -> SimulatedArena:
    """A draw of the simulated two-hop question answering."""
    task = load_task("simulated-2wiki", draw=seed)
    if task.simulation is None:
        raise SystemExit("the task is not simulated")
    return SimulatedArena(task, task.simulation)


def searcher_time(searcher: str, seed: int, trial: int) -> float:
    """Processor seconds of a searcher's ask and tell at a trial, one trial at a time."""
    arena = arena_of(seed)
    budget, task = arena.budget("medium"), arena.task
    score = arena.scorer(budget)
    search = Search(task.space, budget, searcher, seed, cost=task.cost, metrics=task.metrics)
    times = []
    while len(search.trials) < trial + AROUND:
        asked: list[Trial] = []
        asking = seconds(lambda asked=asked: asked.extend(search.ask(1, at_most=1)))
        outcome = score(asked[0].allocation)
        telling = seconds(lambda one=asked[0], out=outcome: search.tell(one, out.score, out.stage_scores))
        times.append(asking + telling)
    return statistics.median(times[-2 * AROUND - 1 :])


def sampler_time(sampler: str, seed: int, trial: int) -> float:
    """Processor seconds of ask and tell of a plain Optuna study at a trial."""
    arena = arena_of(seed)
    space = arena.task.space
    score, distributions = arena.scorer(math.inf), parameter_distributions(space)
    study = optuna.create_study(direction="maximize", sampler=SAMPLERS[sampler](seed))
    times = []
    for _ in range(trial + AROUND):
        asked: list[optuna.trial.Trial] = []
        asking = seconds(lambda asked=asked: asked.append(study.ask(distributions)))
        allocation = allocation_in(space, asked[0].params)
        if allocation is None:
            raise SystemExit(f"{asked[0].params} is no allocation")
        value = score(allocation).score
        times.append(asking + seconds(lambda one=asked[0], value=value: study.tell(one, value)))
    return statistics.median(times[-2 * AROUND - 1 :])


def planner_after(trials: int, seed: int) -> float:
    """Processor seconds of the planner's ask and tell after that many trials, drawn at random."""
    arena = arena_of(seed)
    task = arena.task
    search = Search(task.space, arena.budget("medium"), "random", seed, cost=task.cost, metrics=task.metrics)
    planner = build_searcher("planner", search.problem, seed)
    space, score, rng = FeasibleSpace(search.problem), arena.scorer(math.inf), np.random.default_rng(seed)
    told: dict[object, Trial] = {}
    while len(told) < trials:
        allocation = space.random(rng)
        outcome = score(allocation)
        told[allocation] = Trial(
            len(told),
            allocation,
            space.total(allocation),
            TrialState.COMPLETE,
            stage_scores=outcome.stage_scores,
            score=outcome.score,
        )
    *before, last = told.values()
    planner.tell(before)
    return seconds(lambda: (planner.tell([last]), planner.ask(1)))


def main() -> None:
    """The command."""
    options = parser(__doc__, runs=5)
    options.add_argument("--trial", type=int, default=50, help="default: %(default)s")
    options.add_argument("--many", type=int, default=1000, help="default: %(default)s")
    arguments = options.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    seeds, at = range(1, arguments.runs + 1), arguments.trial
    planner = [searcher_time("planner", seed, at) for seed in seeds]
    asked = {"Optuna's GPSampler": "less than 1", "Optuna's TPESampler": "at most 5"}
    lines = []
    for sampler, bound in asked.items():
        times = [sampler_time(sampler, seed, at) for seed in seeds]
        lines.append((f"{sampler}: {milliseconds(times)}", ratios(planner, times), bound))
    for searcher in ("gp", "tpe"):
        times = [searcher_time(searcher, seed, at) for seed in seeds]
        lines.append((f"searcher {searcher}, within the budget: {milliseconds(times)}", ratios(planner, times), ""))
    half = [planner_after(arguments.many // 2, seed) for seed in seeds]
    many = [planner_after(arguments.many, seed) for seed in seeds]
    show(
        [
            *(
                Line(f"planner's ask + tell at trial {at}", milliseconds(planner), reference, found, bound)
                for reference, found, bound in lines
            ),
            Line(
                f"planner's ask + tell after {arguments.many:,} trials",
                milliseconds(many),
                f"after {arguments.many // 2:,}: {milliseconds(half)}",
                ratios(many, half),
                "at most 2 (linear)",
            ),
        ]
    )


if __name__ == "__main__":
    main()
