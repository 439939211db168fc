"""Prints the recorded benchmark's oracle for several budgets and its scaling curves, and plots these.

python scripts/recorded_benchmark.py --strategy fusion --plot docs/scaling-curves-fusion.svg
"""

from __future__ import annotations

import argparse
import asyncio
import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from environment.executor import Executor
from environment.multihop.recorded import STRATEGIES, recorded_task
from environment.multihop.stages import QA, RETRIEVAL
from environment.sampler import Sampler
from environment.task import HELD_OUT, SEARCH, Task
from storage.database import Database
from storage.samples import SampleStore
from tools.cost import within_budget
from tools.space import Allocation
from tools.statistics import wilson_interval

BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0)
Scores = dict[Allocation, dict[str, dict[str, float]]]


async def score_everything(task: Task) -> Scores:
    """Every allocation's mean stage scores by split ("all" joins both)."""
    scores: Scores = {}
    with Database.open("sqlite://") as database:
        executor = Executor(task, Sampler(SampleStore(database), task.connect()), math.inf)
        for allocation in task.space.allocations(math.inf, task.cost):
            runs = {split: await executor.run(allocation, task.examples(split)) for split in (SEARCH, HELD_OUT)}
            scores[allocation] = {
                split: {name: score.mean for name, score in run.stage_scores.items()} for split, run in runs.items()
            }
            sizes = {split: len(task.examples(split)) for split in runs}
            scores[allocation]["all"] = {
                stage.name: sum(sizes[s] * scores[allocation][s][stage.name] for s in runs) / sum(sizes.values())
                for stage in task.stages
            }
    return scores


def print_oracle(console: Console, task: Task, scores: Scores) -> None:
    """The best allocation of the grid within each budget, by all examples."""
    default = task.space.default_budget(task.cost)
    examples = len(task.search_examples) + len(task.held_out_examples)
    table = Table("budget", "allocations", "oracle", "cost", "EM (all)", "EM (search)", "EM (held-out)")
    for factor in BUDGETS:
        budget = factor * default
        fitting = [a for a in scores if within_budget(task.cost.total(task.space, a), budget)]
        best = max(fitting, key=lambda a: (scores[a]["all"][QA], -task.cost.total(task.space, a)))
        interval = wilson_interval(scores[best]["all"][QA], examples)
        table.add_row(
            f"{budget:,.1f} ({factor:g}x)",
            str(len(fitting)),
            str(best),
            f"{task.cost.total(task.space, best):,.1f}",
            f"{scores[best]['all'][QA]:.3f} [{interval.low:.2f}, {interval.high:.2f}]",
            f"{scores[best][SEARCH][QA]:.3f}",
            f"{scores[best][HELD_OUT][QA]:.3f}",
        )
    console.print(table)


def curves(task: Task, scores: Scores) -> dict[tuple[str, str], list[float]]:
    """Mean score by sample count: retrieval for each model; qa for each pair of upstream and model.

    The upstream of a qa curve is each retrieval model at each of its sample counts.
    """
    counts = task.space.sample_counts
    lines: dict[tuple[str, str], dict[int, float]] = {}
    for allocation, by_split in scores.items():
        up, down = allocation[RETRIEVAL], allocation[QA]
        lines.setdefault((RETRIEVAL, up.model), {})[up.samples] = by_split["all"][RETRIEVAL]
        lines.setdefault((f"{QA} after {up}", down.model), {})[down.samples] = by_split["all"][QA]
    return {name: [line[count] for count in counts] for name, line in lines.items()}


def print_curves(console: Console, task: Task, lines: dict[tuple[str, str], list[float]]) -> None:
    """One row a curve."""
    table = Table("stage", "model", *(f"S={count}" for count in task.space.sample_counts))
    for (stage, model), line in lines.items():
        table.add_row(stage, model, *(f"{value:.3f}" for value in line))
    console.print(table)


def plot(task: Task, lines: dict[tuple[str, str], list[float]], path: Path) -> None:
    """Retrieval's curves, and qa's after the first and the best upstream of the largest model."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    largest = task.space[RETRIEVAL].largest.name
    panels = [RETRIEVAL, *(f"{QA} after {largest} x {count}" for count in (1, task.space.max_samples))]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.4), sharey=True)
    for axis, panel in zip(axes, panels, strict=True):
        for (stage, model), line in lines.items():
            if stage == panel:
                axis.plot(task.space.sample_counts, line, marker="o", label=model)
        axis.set(title=panel, xlabel="samples", xscale="log", xticks=task.space.sample_counts, ylim=(0, 1))
        axis.set_xticklabels([str(count) for count in task.space.sample_counts])
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("Ret-F1 / EM")
    axes[-1].legend(fontsize=7)
    figure.suptitle(f"Recorded benchmark, {task.strategies[QA]}")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strategy", choices=STRATEGIES, default="fusion")
    parser.add_argument("--plot", type=Path, help="an SVG file to write")
    arguments = parser.parse_args()
    task = recorded_task(strategy=arguments.strategy)
    scores = asyncio.run(score_everything(task))
    console = Console(width=150)
    console.print(
        f"{len(task.search_examples)} search and {len(task.held_out_examples)} held-out examples, "
        f"strategy {arguments.strategy}, recorded from {task.recorded_from}"
    )
    print_oracle(console, task, scores)
    lines = curves(task, scores)
    print_curves(console, task, lines)
    if arguments.plot:
        plot(task, lines, arguments.plot)


if __name__ == "__main__":
    main()
