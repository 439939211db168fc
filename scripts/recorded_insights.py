"""Holds the paper's three insights against the recorded benchmark, as paired differences.

    python scripts/recorded_insights.py --strategy fusion

A difference is between two allocations on the same examples (search and held-out together), with a
95% bootstrap interval over examples. No allocation is picked by its score, so no difference is
flattered by the picking.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from recorded_scores import Scores, score_everything
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from environment.multihop.recorded import STRATEGIES, recorded_task
from environment.multihop.stages import QA, RETRIEVAL
from environment.task import Task
from tools.space import Allocation, Choice

RESAMPLES = 10_000
Values = NDArray[np.float64]


class Contrasts:
    """Prints paired differences of one benchmark's scores."""

    def __init__(self, task: Task, scores: Scores, console: Console) -> None:
        self._task = task
        self._scores = scores
        self._console = console
        count = len(task.search_examples) + len(task.held_out_examples)
        self._draws = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
        self._models = [model.name for model in task.space[QA].models]  # smallest first, in both stages
        self._counts = task.space.sample_counts

    def models_differ_by_subtask(self) -> None:
        """Insight 1: each smaller model against one sample of the largest: once, and as often as that would pay."""
        table = self._table("Insight 1: smaller models at no more than the cost of one sample of the largest")
        largest = Choice(self._models[-1], 1)
        for stage in (RETRIEVAL, QA):
            for name in self._models[:-1]:
                for ours in (Choice(name, 1), self._affordable(stage, name, largest)):
                    difference = self._of(stage, ours) - self._of(stage, largest)
                    self._row(table, stage, f"{ours} against {largest}", difference)
        self._console.print(table)

    def samples_saturate(self) -> None:
        """Insight 2: more samples of the same model, from one to four and from four to the most."""
        table = self._table("Insight 2: more samples of the same model (qa after one retrieval sample of the largest)")
        few, some, most = self._counts[0], 4, self._counts[-1]
        for stage in (RETRIEVAL, QA):
            for name in self._models:
                for low, high in ((few, some), (some, most)):
                    gain = self._of(stage, Choice(name, high)) - self._of(stage, Choice(name, low))
                    self._row(table, stage, f"{name} x {high} against x {low}", gain)
        self._console.print(table)

    def upstream_moves_the_optimum(self) -> None:
        """Insight 3: what size and samples are worth to qa after poor and after good retrieval."""
        poor, good = Choice(self._models[0], 1), Choice(self._models[-1], self._counts[-1])
        table = self._table(f"Insight 3: qa after poor ({poor}) and good ({good}) retrieval")
        few, most = self._counts[0], self._counts[-1]
        largest = self._models[-1]
        claims = [
            (f"{largest} x {few} against {name} x {few}", (largest, few), (name, few)) for name in self._models[:-1]
        ]
        claims += [(f"{name} x {most} against x {few}", (name, most), (name, few)) for name in self._models]
        for label, one, other in claims:
            after = [self._of(QA, Choice(*one), up) - self._of(QA, Choice(*other), up) for up in (poor, good)]
            self._row(table, "after poor", label, after[0])
            self._row(table, "after good", label, after[1])
            self._row(table, "good - poor", label, after[1] - after[0])
        self._console.print(table)

    def _affordable(self, stage: str, model: str, largest: Choice) -> Choice:
        subtask, cost = self._task.space[stage], self._task.cost
        limit = cost.subtask(subtask, largest)
        return [c for c in self._choices(model) if cost.subtask(subtask, c) <= limit][-1]

    def _choices(self, model: str) -> Iterator[Choice]:
        return (Choice(model, count) for count in self._counts)

    def _of(self, stage: str, choice: Choice, upstream: Choice | None = None) -> Values:
        """Per-example scores of a stage; qa follows the upstream, one sample of the largest model by default."""
        up = upstream or Choice(self._models[-1], 1)
        other = Choice(self._models[0], 1)
        pair = (up, choice) if stage == QA else (choice, other)
        return self._scores[Allocation(dict(zip((RETRIEVAL, QA), pair, strict=True)))][stage]

    def _table(self, title: str) -> Table:
        self._console.print(f"\n{title}\n", markup=False)
        return Table("stage", "compared", "difference", "95% interval", box=MARKDOWN)

    def _row(self, table: Table, stage: str, label: str, difference: Values) -> None:
        low, high = np.quantile(difference[self._draws].mean(axis=1), [0.025, 0.975])
        mark = "" if low <= 0 <= high else " *"
        table.add_row(stage, label, f"{difference.mean():+.3f}", f"[{low:+.3f}, {high:+.3f}]{mark}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategy", choices=STRATEGIES, default="fusion")
    arguments = parser.parse_args()
    task = recorded_task(strategy=arguments.strategy)
    console = Console(width=150)
    contrasts = Contrasts(task, asyncio.run(score_everything(task)), console)
    console.print(f"strategy {arguments.strategy}; * marks intervals without 0")
    contrasts.models_differ_by_subtask()
    contrasts.samples_saturate()
    contrasts.upstream_moves_the_optimum()


if __name__ == "__main__":
    main()
