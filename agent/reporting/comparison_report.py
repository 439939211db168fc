"""A comparison's report: who does better by how much, over the trials, on every problem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from agent.reporting.comparison_figures import ALL, band_plots, forest_plot, problem_name, wins_plot
from agent.reporting.page import write_page
from agent.reporting.plot import Plot, Table
from agent.reporting.reproduction import versions
from agent.reporting.style import DASH, number, score
from agent.setup import software

if TYPE_CHECKING:
    from agent.comparison.result import Comparison
    from agent.comparison.summary import Row

MOST_PROBLEMS = 12
"""Problems with figures of their own; tables hold all."""


def write_comparison_report(comparison: Comparison, path: Path) -> Path:
    """Writes the report; see `Comparison.report`."""
    problems = list(dict.fromkeys((row["task"], row["budget"]) for row in comparison.summary))
    sections: list[tuple[str, list[Plot]]] = []
    together = forest_plot(comparison, ALL, ALL, 0)
    if together is not None:
        sections.append((problem_name(ALL, ALL).capitalize(), [together]))
    for place, (task, budget) in enumerate(problems[:MOST_PROBLEMS], 1):
        plots = [*band_plots(comparison, task, budget, place)]
        forest = forest_plot(comparison, task, budget, place)
        sections.append((problem_name(task, budget), plots + ([forest] if forest else [])))
    plan = comparison.plan
    return write_page(
        path,
        "comparison.html.j2",
        title=f"Comparison of {', '.join(entry.label for entry in plan.searchers)}",
        plan=plan,
        notes=comparison.notes,
        simulated=comparison.simulated_tasks,
        summary=summary_table(comparison),
        wins=wins_plot(comparison),
        sections=[section for section in sections if section[1]],
        left_out=max(0, len(problems) - MOST_PROBLEMS),
        failures=failures_table(comparison),
        settings=json.dumps(plan.to_dict(), indent=2, ensure_ascii=False, default=str),
        versions=versions(software()),
    )


def summary_table(comparison: Comparison) -> Table:
    """One row for each problem and searcher: regret by both rules, arrivals and generations."""
    plan = comparison.plan
    after = [f"best searched after {trial}" for trial in plan.checkpoints if trial < plan.trials]
    columns = [
        "problem",
        "searcher",
        "runs",
        "regret, recommended",
        "regret, best searched",
        *after,
        f"within {100 * plan.within:g}%",
        "trials to that, median",
        "generations",
    ]
    rows = [
        [
            problem_name(row["task"], row["budget"]),
            row["searcher"],
            str(row["runs"]),
            _with_interval(row, "recommended_regret"),
            _with_interval(row, "best_regret"),
            *(score(row[f"best_regret_after_{trial}"]) for trial in plan.checkpoints if trial < plan.trials),
            f"{row['reached']} of {row['runs']}",
            number(row["trials_to_oracle_median"], 3),
            number(row["generations"], 5),
        ]
        for row in comparison.summary
    ]
    return Table(columns, rows, frozenset(columns[2:]))


def failures_table(comparison: Comparison) -> Table | None:
    """The runs that failed; None where none did."""
    if not comparison.failures:
        return None
    rows = [
        [problem_name(run.task, run.budget), run.searcher, str(run.seed), str(len(run.steps)), run.error]
        for run in comparison.failures
    ]
    return Table(["problem", "searcher", "seed", "trials", "error"], rows, frozenset({"seed", "trials"}))


def _with_interval(row: Row, name: str) -> str:
    if row[name] is None:
        return DASH
    if row[f"{name}_low"] is None:
        return score(row[name])
    return f"{score(row[name])} [{score(row[f'{name}_low'])}, {score(row[f'{name}_high'])}]"
