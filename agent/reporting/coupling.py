"""Stage coupling: the score by the choices of two subtasks together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING

from agent.reporting.plot import Plot, Table
from agent.reporting.style import DASH, SCALE, TIMES, label, lines, new_figure, score, short_names
from tools.errors import InvalidInput, UnknownName
from tools.history import completed
from tools.space import Choice
from tools.trial import Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_PAIRS = 6
MOST_COUNTS = 8
"""Different sample counts beyond which counts are grouped by doublings, lest every cell hold one trial."""


@dataclass(frozen=True)
class Coupling:
    """The mean score of the trials with both choices, and how many there are; absent where there is none."""

    first: str
    second: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: dict[tuple[str, str], tuple[float, int]]


def couple(trials: Sequence[Trial], first: str, second: str, models: Sequence[str]) -> Coupling:
    """The coupling of two subtasks; choices go by model (in the order of `models`), then by samples."""
    done = completed(trials)
    names = short_names(models)
    grouped = len({trial.allocation[name].samples for trial in done for name in (first, second)}) > MOST_COUNTS

    def place(choice: Choice) -> tuple[int, int]:
        samples = 1 << (choice.samples.bit_length() - 1) if grouped else choice.samples
        return (models.index(choice.model) if choice.model in models else len(models)), samples

    def named(choice: Choice) -> str:
        samples = place(choice)[1]
        count = f"{samples}{DASH}{2 * samples - 1}" if grouped and samples > 1 else str(samples)
        return f"{names.get(choice.model, choice.model)} {TIMES}{count}"

    values: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for trial in done:
        values[named(trial.allocation[first]), named(trial.allocation[second])].append(trial.score or 0.0)
    rows, columns = (
        tuple(dict.fromkeys(named(choice) for choice in sorted((t.allocation[name] for t in done), key=place)))
        for name in (first, second)
    )
    return Coupling(first, second, rows, columns, {key: (fmean(of), len(of)) for key, of in values.items()})


def paired_subtasks(trials: Sequence[Trial], first: str, second: str) -> tuple[str, str]:
    """The two subtasks, those not named being the first others. Raises UnknownName, InvalidInput."""
    names = list(trials[0].allocation) if trials else []
    for field, name in (("first", first), ("second", second)):
        if name and name not in names:
            raise UnknownName(field, name, names)
    if len(names) < 2 or (first and first == second):
        raise InvalidInput("second", "coupling needs two subtasks")
    chosen = first or next(name for name in names if name != second)
    return chosen, second or next(name for name in names if name != chosen)


def coupling_figure(coupling: Coupling) -> Figure:
    """A heat map: the warmer, the higher the mean score; blank where no trial has both choices."""
    figure = new_figure(max(280, 140 + 26 * len(coupling.rows)))
    z = [[coupling.cells.get((row, column), (None, 0))[0] for column in coupling.columns] for row in coupling.rows]
    hover = [
        [
            lines(
                f"{coupling.first}: {row}", f"{coupling.second}: {column}", _counted(coupling.cells.get((row, column)))
            )
            for column in coupling.columns
        ]
        for row in coupling.rows
    ]
    figure.add_heatmap(
        z=z,
        x=[label(name, 28) for name in coupling.columns],
        y=[label(name, 28) for name in coupling.rows],
        colorscale=[list(step) for step in SCALE],
        xgap=2,
        ygap=2,
        text=[["" if value is None else f"{value:.2f}".lstrip("0") or "0" for value in row] for row in z],
        texttemplate="%{text}",
        textfont={"size": 11},
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
        colorbar={"title": {"text": "mean score"}, "thickness": 12, "outlinewidth": 0},
    )
    figure.update_xaxes(title=label(coupling.second), type="category", showgrid=False, tickangle=-40)
    figure.update_yaxes(title=label(coupling.first), type="category", showgrid=False)
    return figure


def coupling_plots(trials: Sequence[Trial], models: Sequence[str]) -> list[Plot]:
    """One figure a pair of subtasks for a page, neighbours first, at most MOST_PAIRS; none for a single subtask."""
    done = completed(trials)
    if not done:
        return []
    subtasks = list(done[0].allocation)
    pairs = sorted(combinations(range(len(subtasks)), 2), key=lambda pair: pair[1] - pair[0])
    plots = []
    for first, second in pairs[:MOST_PAIRS]:
        coupling = couple(trials, subtasks[first], subtasks[second], models)
        rows = [
            [row, column, score(mean), str(count)]
            for row in coupling.rows
            for column in coupling.columns
            for mean, count in [coupling.cells.get((row, column), (None, 0))]
            if count
        ]
        left_out = f" {len(pairs) - MOST_PAIRS} further pairs are left out." if len(pairs) > MOST_PAIRS else ""
        plots.append(
            Plot(
                f"coupling-{first}-{second}",
                f"{coupling.first} and {coupling.second} together",
                "A cell is the mean search score of the trials with both choices; blank where none was tried. Where "
                "the best row changes with the column, the subtasks cannot be tuned one by one." + left_out,
                coupling_figure(coupling),
                Table(
                    [coupling.first, coupling.second, "mean score", "trials"], rows, frozenset({"mean score", "trials"})
                ),
                wide=True,
            )
        )
    return plots


def _counted(cell: tuple[float, int] | None) -> str:
    return "not tried" if cell is None else f"mean {cell[0]:.3f} of {cell[1]} trial{'s' * (cell[1] > 1)}"
