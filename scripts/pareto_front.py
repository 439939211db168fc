"""How much of the exact front of the recorded benchmark each searcher finds, and with how many trials.

    python scripts/pareto_front.py --strategy fusion --plot front.svg

All 225 allocations are recorded, so the exact front is known. A hypervolume is the mean, over budgets
from the cheapest allocation's cost to the largest budget, all doublings weighing the same, of the score
that a budget buys; a ratio is that of a search over that of the exact front.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from recorded_scores import Scores, score_everything
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from agent.optuna_front import FrontNsga2Searcher, FrontTpeSearcher
from agent.optuna_random import RandomSearcher
from agent.pareto import pareto
from agent.planner.front_batch import budget_levels
from agent.planner.front_searcher import FrontPlannerSearcher
from agent.planner.searcher import PlannerSearcher
from agent.preparation import LARGEST_BUDGET
from agent.recommendation import recommend_front
from agent.search import Search
from agent.searcher import Problem, Proposal, Searcher
from environment.multihop.recorded import STRATEGIES, recorded_task
from environment.task import Task
from tools.front import front, hypervolume
from tools.space import Allocation
from tools.trial import StageScore, Trial

BATCH = 10
CHECKPOINTS = (20, 40, 60)
BUDGETS = 5


class SeveralPlanners(Searcher):
    """The planner for each of several budgets, in turn; all are told of all trials."""

    name = "planners"

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        levels = budget_levels(problem, BUDGETS + 1)[1:]
        self._planners = [
            PlannerSearcher(replace(problem, budget=float(level)), seed + place) for place, level in enumerate(levels)
        ]
        self._turn = 0

    def ask(self, n: int) -> list[Proposal]:
        proposals: dict[Allocation, Proposal] = {}
        for _ in range(4 * n):  # two planners may want the same
            for proposal in self._planners[self._turn % BUDGETS].ask(1):
                proposals.setdefault(proposal.allocation, proposal)
            self._turn += 1
            if len(proposals) >= n:
                break
        return list(proposals.values())

    def tell(self, trials: Sequence[Trial]) -> None:
        for planner in self._planners:
            planner.tell(trials)


SEARCHERS: dict[str, Callable[[Problem, int], Searcher]] = {
    "planner-front": FrontPlannerSearcher,
    "tpe-front (MOTPE)": FrontTpeSearcher,
    "nsga2-front": FrontNsga2Searcher,
    "random": RandomSearcher,
    f"planners at {BUDGETS} budgets": SeveralPlanners,
    "planner at the largest": PlannerSearcher,
}


class Benchmark:
    """The scores of every allocation, and what part of the exact front a set of allocations makes up."""

    def __init__(self, task: Task, scores: Scores) -> None:
        self.task = task
        self.problem = Problem(
            task.space, task.cost, LARGEST_BUDGET * task.space.default_budget(task.cost), metrics=task.metrics
        )
        self.costs = {a: task.cost.total(task.space, a) for a in scores}
        self._scores = scores
        self._search = len(task.search_examples)

    def score(self, allocation: Allocation, *, held_out: bool) -> float:
        """The final score on a split."""
        values = self._scores[allocation][self.task.stages[-1].name]
        return float(np.mean(values[self._search :] if held_out else values[: self._search]))

    def stage_scores(self, allocation: Allocation) -> dict[str, StageScore]:
        """What a trial tells: each stage's scores on the search examples."""
        values = self._scores[allocation]
        return {s.name: StageScore.of(s.metric, values[s.name][: self._search].tolist()) for s in self.task.stages}

    def volume(self, allocations: Sequence[Allocation], *, held_out: bool) -> float:
        """The hypervolume of the best of some allocations."""
        points = [(self.costs[a], self.score(a, held_out=held_out)) for a in allocations]
        return hypervolume(points, min(self.costs.values()), self.problem.budget, log=True)

    def ratio(self, allocations: Sequence[Allocation], *, held_out: bool) -> float:
        """That hypervolume over the exact front's."""
        return self.volume(allocations, held_out=held_out) / self.volume(list(self.costs), held_out=held_out)

    def exact(self, *, held_out: bool) -> list[Allocation]:
        """The exact front on a split."""
        fitting = [a for a, cost in self.costs.items() if cost <= self.problem.budget]
        return front(fitting, self.costs.__getitem__, lambda a: self.score(a, held_out=held_out))


def search(benchmark: Benchmark, build: Callable[[Problem, int], Searcher], seed: int) -> dict[int, tuple[float, ...]]:
    """After each checkpoint: the ratio of all trials, that of the reported front held out, and its size."""
    problem = benchmark.problem
    run = Search(problem.space, problem.budget, build(problem, seed), seed, cost=problem.cost, metrics=problem.metrics)
    rows: dict[int, tuple[float, ...]] = {}
    for checkpoint in CHECKPOINTS:
        while len(run.trials) < checkpoint and (asked := run.ask(BATCH, at_most=checkpoint - len(run.trials))):
            for trial in asked:
                run.tell(trial, stage_scores=benchmark.stage_scores(trial.allocation))
            run.conclude()
        reported = [trial.allocation for trial in recommend_front(problem, run.trials)]
        tried = [trial.allocation for trial in run.trials]
        lucky = front(tried, benchmark.costs.__getitem__, lambda a: benchmark.score(a, held_out=False))
        rows[checkpoint] = (
            benchmark.ratio(tried, held_out=False),
            benchmark.ratio(reported, held_out=True),
            benchmark.ratio(lucky, held_out=True),
            float(len(reported)),
        )
    return rows


def print_exact(console: Console, benchmark: Benchmark) -> None:
    """The exact front on the search examples, with the same allocations' held-out scores."""
    table = Table("from", "allocation", "search", "held out", title="Exact front on the search examples", box=MARKDOWN)
    exact = benchmark.exact(held_out=False)
    for allocation in exact:
        scores = (f"{benchmark.score(allocation, held_out=split):.2f}" for split in (False, True))
        table.add_row(f"{benchmark.costs[allocation]:,.0f}", str(allocation), *scores)
    console.print(table)
    console.print(
        f"Held out it makes up {benchmark.ratio(exact, held_out=True):.3f} of the exact front of those examples: "
        "maxima over few examples, which no search without them can count on."
    )


def print_searchers(console: Console, benchmark: Benchmark, seeds: int) -> None:
    """One row a searcher and checkpoint, means over the seeds."""
    headings = ("searcher", "trials", "search ratio", "sd", "held-out ratio", "held-out, by search score", "points")
    table = Table(*headings, title=f"{seeds} seeds, batches of {BATCH}", box=MARKDOWN)
    for name, build in SEARCHERS.items():
        runs = [search(benchmark, build, seed) for seed in range(1, seeds + 1)]
        for checkpoint in CHECKPOINTS:
            values = np.array([run[checkpoint] for run in runs])
            found, reported, lucky, points = values.mean(axis=0)
            spread = values[:, 0].std(ddof=1) if seeds > 1 else math.nan
            cells = (f"{found:.3f}", f"{spread:.3f}", f"{reported:.3f}", f"{lucky:.3f}", f"{points:.1f}")
            table.add_row(name, str(checkpoint), *cells)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategy", choices=STRATEGIES, default="fusion")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--plot", type=Path, help="also write the front of `agenttts pareto` as a figure")
    arguments = parser.parse_args()
    task = recorded_task(strategy=arguments.strategy)
    benchmark = Benchmark(task, asyncio.run(score_everything(task)))
    console = Console(width=160)
    print_exact(console, benchmark)
    print_searchers(console, benchmark, arguments.seeds)
    if arguments.plot:
        found = pareto(task_options={"strategy": arguments.strategy}, storage="sqlite://")
        console.print(f"Written to {found.plot(arguments.plot)}")


if __name__ == "__main__":
    main()
