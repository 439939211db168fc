"""The trajectories of a comparison as figures: true score, regret and arrivals by trial."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.comparison.summary import Row
from tools.errors import InvalidInput

if TYPE_CHECKING:
    from agent.comparison.result import Comparison

FORMATS = ("svg", "png", "pdf")
NONE = "none"
"""Where a format is asked for: no plots."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, which colour-blind readers tell apart; line styles tell more searchers apart."""
STYLES = ("-", "--", ":")


@dataclass(frozen=True)
class Panel:
    """One axis: which column of the bands it shows, and how it is named."""

    column: str
    label: str


def require_matplotlib() -> None:
    """Raises InvalidInput, with the command that helps, where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise InvalidInput("plots", 'needs matplotlib: pip install "agenttts[plot]"')


def plot_comparison(comparison: Comparison, folder: Path, file_format: str = "svg") -> list[Path]:
    """One figure a task, one row a budget: mean over the seeds with pointwise 95% bands.

    Raises InvalidInput for another format or without matplotlib.
    """
    if file_format not in FORMATS:
        raise InvalidInput("plots", f"{file_format!r} is no format; use one of: {', '.join(FORMATS)}")
    require_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    tasks = list(dict.fromkeys(row["task"] for row in comparison.bands))
    return [_figure(comparison, task, folder, file_format) for task in tasks]


def _figure(comparison: Comparison, task: str, folder: Path, file_format: str) -> Path:
    import matplotlib

    # Ids drawn from a fixed salt and text as text: the same comparison gives the same file.
    style: Any = {"svg.hashsalt": "agenttts", "svg.fonttype": "none", "font.size": 9}
    rows = [row for row in comparison.bands if row["task"] == task]
    plan = comparison.plan
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    panels = (
        Panel("best_true_score", "true score of the best trial so far"),
        Panel("regret", "regret to the oracle"),
        Panel("reached_share", f"share of runs within {100 * plan.within:g}% of the oracle"),
    )
    with matplotlib.rc_context(style):
        # A figure of its own, not pyplot's: no window system and no global state.
        from matplotlib.figure import Figure

        figure = Figure(figsize=(4.4 * len(panels), 0.7 + 3.1 * len(budgets)), layout="constrained")
        axes = figure.subplots(len(budgets), len(panels), squeeze=False)
        for line, budget in zip(axes, budgets, strict=True):
            of_budget = [row for row in rows if row["budget"] == budget]
            for axis, panel in zip(line, panels, strict=True):
                _draw(axis, panel, of_budget)
                axis.set(xlabel="trial", ylabel=panel.label, title=_budget_title(of_budget[0]))
            _draw_oracle(line[0], comparison, task, budget)
            line[1].set_ylim(bottom=0)
            line[2].set_ylim(0, 1.02)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)))
        figure.suptitle(f"{_with_source(task, rows[0]['source'])}: mean of {plan.seeds} seeds with 95% bands")
        path = folder / f"{re.sub(r'[^A-Za-z0-9.]+', '-', task).strip('-')}.{file_format}"
        figure.savefig(path, metadata={"Date": None} if file_format == "svg" else None, dpi=150)
    return path


def _draw(axis: Any, panel: Panel, rows: Sequence[Row]) -> None:
    looks = cycle([(colour, style) for style in STYLES for colour in COLOURS])
    for searcher in dict.fromkeys(row["searcher"] for row in rows):
        colour, style = next(looks)
        line = [row for row in rows if row["searcher"] == searcher]
        trials = [row["trial"] for row in line]
        axis.plot(trials, [row[panel.column] for row in line], color=colour, linestyle=style, label=searcher)
        low, high = ([row[f"{panel.column}_{side}"] for row in line] for side in ("low", "high"))
        axis.fill_between(trials, low, high, color=colour, alpha=0.15, linewidth=0)
    axis.grid(alpha=0.3)


def _draw_oracle(axis: Any, comparison: Comparison, task: str, budget: str) -> None:
    row = next(row for row in comparison.summary if (row["task"], row["budget"]) == (task, budget))
    axis.axhline(row["oracle_score"], color="grey", linewidth=1, linestyle="-.", label="oracle")


def _budget_title(row: Row) -> str:
    return f"budget {row['budget']} ({row['budget_value']:,.4g} {row['unit']})"


def _with_source(task: str, source: str) -> str:
    return task if source in task else f"{task} ({source})"
