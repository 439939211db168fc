"""A finished comparison: its runs, its statistics, its files."""

from __future__ import annotations

import csv
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.comparison.arena import SIMULATED
from agent.comparison.paired import PairedRow, paired_rows
from agent.comparison.plan import Plan
from agent.comparison.record import Run
from agent.comparison.summary import Row, band_rows, summary_rows
from tools.errors import InvalidInput, UnknownName

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
PACKAGES = ("agenttts", "numpy", "scipy", "optuna", "torch")
SIMULATED_NOTE = "Simulated: scores come from response surfaces, no model was run. Simulated tasks: {}."


@dataclass(frozen=True)
class Comparison:
    """What a comparison found, in the plan's order; the same plan gives the same but for seconds.

    `runs` holds each search with its trials. `truths` says for each task what its true score is.
    Tables: `summary` (one row for each task, budget and searcher), `paired` (each searcher against
    the reference), `bands` (mean trajectories), `run_rows` and `trajectories`.
    """

    plan: Plan
    runs: tuple[Run, ...]
    truths: Mapping[str, str]

    @cached_property
    def summary(self) -> list[Row]:
        """One row for each task, budget and searcher, over the seeds."""
        return summary_rows(self.plan, self.runs)

    @cached_property
    def paired(self) -> list[PairedRow]:
        """Each searcher against the reference by each metric: on all problems, then by task and budget."""
        return paired_rows(self.plan, self.runs)

    @cached_property
    def bands(self) -> list[Row]:
        """Mean trajectories with 95% bands, one row a trial."""
        return band_rows(self.plan, self.runs)

    @property
    def run_rows(self) -> list[Row]:
        """One row a run."""
        return [run.row(self.plan.within) for run in self.runs]

    @property
    def trajectories(self) -> list[Row]:
        """One row a trial of a run."""
        return [row for run in self.runs for row in run.trajectory()]

    @property
    def failures(self) -> list[Run]:
        """The runs that failed."""
        return [run for run in self.runs if run.error]

    @property
    def simulated_tasks(self) -> list[str]:
        """The labels of the tasks that are simulated."""
        return list(dict.fromkeys(run.task for run in self.runs if run.source == SIMULATED))

    @property
    def notes(self) -> list[str]:
        """What a reader must know before the figures, in sentences."""
        simulated = self.simulated_tasks
        notes = [SIMULATED_NOTE.format(", ".join(simulated))] if simulated else []
        for truth in dict.fromkeys(self.truths.values()):
            tasks = [task for task, other in self.truths.items() if other == truth]
            notes.append(f"True score of {', '.join(tasks)}: {truth}.")
        if self.failures:
            notes.append(f"{len(self.failures)} of {len(self.runs)} runs failed; they count, see their errors.")
        return notes

    def to_dataframe(self, table: str = "runs") -> pd.DataFrame:
        """A table as a DataFrame: runs, trajectories, bands, summary or paired."""
        tables = self._tables()
        if table not in tables:
            raise UnknownName("table", table, tables)
        try:
            import pandas as pd
        except ImportError:
            raise InvalidInput("to_dataframe", 'needs pandas: pip install "agenttts[plot]"') from None
        return pd.DataFrame(tables[table])

    def to_dict(self) -> dict[str, Any]:
        """Plan, versions, summary, paired statistics and failures in plain values, as summary.json holds them."""
        return {
            "format": FORMAT,
            "simulated": bool(self.simulated_tasks),
            "simulated_tasks": self.simulated_tasks,
            "notes": self.notes,
            "plan": self.plan.to_dict(),
            "versions": _versions(),
            "summary": self.summary,
            "paired": [row.to_dict() for row in self.paired],
            "failures": [run.labels | {"trials": len(run.steps), "error": run.error} for run in self.failures],
        }

    def write(self, folder: str | Path) -> list[Path]:
        """Writes runs.csv, trajectories.csv, bands.csv, paired.csv and summary.json into a folder."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        tables = self._tables()
        del tables["summary"]
        paths = [_write_csv(place / f"{name}.csv", rows) for name, rows in tables.items()]
        summary = place / "summary.json"
        summary.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        return [*paths, summary]

    def plot(self, folder: str | Path, *, file_format: str = "svg") -> list[Path]:
        """Draws the trajectories of each task into a folder. Raises InvalidInput without matplotlib."""
        from agent.comparison.plots import plot_comparison

        return plot_comparison(self, Path(folder), file_format)

    def report(self, path: str | Path) -> Path:
        """Writes a report: one HTML file that needs no network.

        Raises InvalidInput without plotly, and for a file that cannot be written.
        """
        from agent.reporting.comparison_report import write_comparison_report

        return write_comparison_report(self, Path(path))

    def _tables(self) -> dict[str, Sequence[Row]]:
        source = {run.task: run.source for run in self.runs if run.source}
        together = " and ".join(sorted(set(source.values())))
        return {
            "runs": self.run_rows,
            "trajectories": self.trajectories,
            "bands": self.bands,
            "paired": [{"source": source.get(row.task, together), **row.to_dict()} for row in self.paired],
            "summary": self.summary,
        }


def _write_csv(path: Path, rows: Iterable[Row]) -> Path:
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["source"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
