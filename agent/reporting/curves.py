"""Scaling curves: how each subtask's score grows with samples, by model, and where more are wasted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agent.reporting.plot import Plot, Table
from agent.reporting.style import DASH, colours_of, label, number, require_plotly, score, set_style
from tools.curves import ScalingCurve, fit_curve
from tools.history import stage_points
from tools.space import SearchSpace
from tools.trial import Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLUMNS = 3
SMOOTH = 60
"""Points that a fitted curve is drawn through."""


@dataclass(frozen=True, slots=True)
class FittedPoints:
    """The tried sample counts of one subtask and model with their mean scores, and the curve through them.

    No curve for fewer than three counts: two parameters and a rate would fit whatever there is.
    """

    subtask: str
    model: str
    points: tuple[tuple[int, float], ...]
    curve: ScalingCurve | None

    @property
    def saturation(self) -> int | None:
        """From how many samples on more add nearly nothing; None beyond what was tried or without a curve."""
        if self.curve is None:
            return None
        found = self.curve.saturation()
        return found if found <= self.points[-1][0] else None


def fitted_points(space: SearchSpace, trials: Sequence[Trial], subtask: str) -> list[FittedPoints]:
    """What was tried of a subtask, by model from small to large."""
    found = []
    for model in space[subtask].by_size:
        points = tuple(stage_points(space, trials, subtask, model.name))
        if points:
            counts, scores = zip(*points, strict=True)
            curve = fit_curve(counts, scores) if len(points) > 2 else None
            found.append(FittedPoints(subtask, model.name, points, curve))
    return found


def curves_figure(space: SearchSpace, trials: Sequence[Trial], subtasks: Sequence[str] = ()) -> Figure:
    """One panel a subtask (all by default): dots are what was measured, lines the fits, diamonds saturation."""
    require_plotly()
    from plotly.subplots import make_subplots

    names = list(subtasks) or [subtask.name for subtask in space.subtasks]
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = make_subplots(rows, columns, subplot_titles=[label(name) for name in names] if len(names) > 1 else None)
    set_style(figure, 360 * rows, yaxis_title="score of the subtask")
    colours = colours_of(model.name for subtask in space.subtasks for model in subtask.by_size)
    shown: set[str] = set()
    counts: set[int] = set()
    for place, name in enumerate(names):
        at = {"row": place // columns + 1, "col": place % columns + 1}
        for fitted in fitted_points(space, trials, name):
            counts |= {count for count, _ in fitted.points}
            _draw(figure, fitted, colours[fitted.model], at, legend=fitted.model not in shown)
            shown.add(fitted.model)
    figure.update_xaxes(title="samples", type="log", zeroline=False, automargin=True)
    if counts:
        ticks = [1 << power for power in range(max(counts).bit_length()) if 1 << power >= min(counts)] or sorted(counts)
        figure.update_xaxes(tickmode="array", tickvals=ticks, ticktext=[str(tick) for tick in ticks])
    figure.update_yaxes(rangemode="tozero", zeroline=False, automargin=True)
    return figure


def _draw(figure: Figure, fitted: FittedPoints, colour: str, at: dict[str, int], *, legend: bool) -> None:
    counts, scores = zip(*fitted.points, strict=True)
    figure.add_scatter(
        x=counts,
        y=scores,
        name=label(fitted.model),
        legendgroup=fitted.model,
        showlegend=legend,
        mode="markers" if fitted.curve else "lines+markers",
        marker={"size": 8, "color": colour},
        line={"color": colour, "width": 1, "dash": "dot"},
        hovertemplate=f"{label(fitted.model)}<br>%{{x}} samples: %{{y:.3f}}<extra></extra>",
        **at,
    )
    if fitted.curve is None:
        return
    x = np.geomspace(counts[0], counts[-1], SMOOTH)
    figure.add_scatter(
        x=x.tolist(),
        y=[fitted.curve.score(value) for value in x],
        legendgroup=fitted.model,
        showlegend=False,
        mode="lines",
        line={"color": colour, "width": 2},
        hoverinfo="skip",
        **at,
    )
    if (most := fitted.saturation) is not None:
        figure.add_scatter(
            x=[most],
            y=[fitted.curve.score(most)],
            legendgroup=fitted.model,
            showlegend=False,
            mode="markers",
            marker={"size": 13, "symbol": "diamond-open", "color": colour, "line": {"width": 2}},
            hovertemplate=f"{label(fitted.model)}<br>saturated at {most} samples<extra></extra>",
            **at,
        )


def curve_plots(space: SearchSpace, trials: Sequence[Trial]) -> list[Plot]:
    """One figure a subtask for a page; none for a subtask without a score."""
    plots = []
    for place, subtask in enumerate(space.subtasks):
        fits = fitted_points(space, trials, subtask.name)
        if not fits:
            continue
        first = " Its metric depends on no other subtask." if place == 0 else " Earlier subtasks move it too."
        plots.append(
            Plot(
                f"curves-{place}",
                f"Scaling of {subtask.name}",
                "A dot is the mean score of the trials with that model and so many samples, the line the fitted curve "
                "s + g (1 - (1 - r)^(S - 1)), an open diamond the number of samples from which on more add less than "
                "0.005." + first,
                curves_figure(space, trials, [subtask.name]),
                _table(fits),
            )
        )
    return plots


def _table(fits: Sequence[FittedPoints]) -> Table:
    columns = ["model", "tried (samples: score)", "one sample", "more add", "saturated at", "misfit"]
    rows = []
    for fit in fits:
        tried = ", ".join(f"{count}: {mean:.3f}" for count, mean in fit.points)
        curve = fit.curve
        if curve is None:
            rows.append([fit.model, tried, DASH, DASH, "too few counts", DASH])
            continue
        saturated = str(fit.saturation) if fit.saturation else f"above {fit.points[-1][0]}"
        rows.append([fit.model, tried, score(curve.single), score(curve.gain), saturated, number(curve.residual, 2)])
    return Table(columns, rows, frozenset(columns[2:]))
