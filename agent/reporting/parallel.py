"""Parallel coordinates: every trial as one line through its choices, its cost and its score."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.reporting.plot import Plot, Table
from agent.reporting.style import GREY, SCALE, label, lines, new_figure, number, score, short_names
from tools.history import completed
from tools.space import Choice
from tools.trial import Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_LINES = 200
SPREAD = 0.03
"""How far lines with one value lie apart, of an axis' length: else equal choices would hide each other."""


@dataclass(frozen=True)
class Axis:
    """One axis: where a trial stands on it, from 0 to 1, and its ticks as (place, text)."""

    title: str
    place: Callable[[Trial], float]
    ticks: Sequence[tuple[float, str]]


def axes_of(trials: Sequence[Trial], models: Sequence[str]) -> list[Axis]:
    """The axes of complete trials: each subtask's model, samples and what else it chose, then cost and score."""
    axes: list[Axis] = []
    names = short_names(models)
    for subtask in trials[0].allocation:
        chosen = [trial.allocation[subtask] for trial in trials]
        used = [model for model in models if any(choice.model == model for choice in chosen)]
        if len(models) > 1:
            axes.append(_listed(f"{subtask}: model", subtask, "model", used, names))
        axes.append(
            _ranged(
                f"{subtask}: samples",
                lambda trial, subtask=subtask: trial.allocation[subtask].samples,  # type: ignore[misc]
                [choice.samples for choice in chosen],
                whole=True,
            )
        )
        for part in ("strategy", "temperature"):
            values = sorted({str(value) for choice in chosen if (value := getattr(choice, part)) is not None})
            if len(values) > 1:
                axes.append(_listed(f"{subtask}: {part}", subtask, part, values, {}))
    axes.append(_ranged("cost", lambda trial: trial.cost, [trial.cost for trial in trials]))
    axes.append(_ranged("score", lambda trial: trial.score or 0.0, [t.score or 0.0 for t in trials], log=False))
    return axes


def _listed(title: str, subtask: str, part: str, values: Sequence[str], names: dict[str, str]) -> Axis:
    places = {value: (index + 0.5) / len(values) for index, value in enumerate(values)}

    def place(trial: Trial) -> float:
        choice: Choice = trial.allocation[subtask]
        return places.get(str(getattr(choice, part)), 0.0)

    return Axis(title, place, [(at, names.get(value, value)) for value, at in places.items()])


def _ranged(
    title: str, value: Callable[[Trial], float], values: Sequence[float], *, log: bool = True, whole: bool = False
) -> Axis:
    least, most = min(values), max(values)
    scale: Callable[[float], float] = math.log if log and least > 0 else float
    width = scale(most) - scale(least)

    def at(x: float) -> float:
        return 0.5 if width <= 0 else 0.04 + 0.92 * (scale(x) - scale(least)) / width

    if whole:
        seen = sorted(set(values))
        ticks = [x for x in seen if x in (least, most) or math.log2(x).is_integer()] if len(seen) > 8 else seen
    else:
        ticks = sorted({least, (math.sqrt(least * most) if scale is math.log else (least + most) / 2), most})
    return Axis(title, lambda trial: at(value(trial)), [(at(x), number(x, 3)) for x in ticks])


def parallel_figure(trials: Sequence[Trial], models: Sequence[str], best: Trial | None = None) -> Figure:
    """One line a complete trial, the warmer the better its score; `best` is drawn thick. `models` gives the order."""
    done = completed(trials)
    figure = new_figure(460, showlegend=False)
    if not done:
        return figure
    axes = axes_of(done, models)
    scores = [trial.score or 0.0 for trial in done]
    shown = done[:MOST_LINES]
    for place, axis in enumerate(axes):
        figure.add_scatter(
            x=[place, place],
            y=[0, 1],
            mode="lines",
            line={"color": GREY, "width": 1},
            hoverinfo="skip",
        )
        for at, text in axis.ticks:
            figure.add_annotation(
                x=place, y=at, text=label(text, 18), showarrow=False, xanchor="left", xshift=5, font={"size": 11}
            )
    # The best come last, lest the others hide them.
    for trial in reversed(shown):
        is_best = best is not None and trial.number == best.number
        warmth = _warmth(trial.score or 0.0, min(scores), max(scores))
        shift = SPREAD * ((trial.number * 0.618034) % 1 - 0.5)
        figure.add_scatter(
            x=list(range(len(axes))),
            y=[axis.place(trial) + (0 if place >= len(axes) - 2 else shift) for place, axis in enumerate(axes)],
            mode="lines",
            line={"color": _colour(warmth), "width": 4 if is_best else 1.6, "shape": "spline", "smoothing": 0.5},
            opacity=1.0 if is_best else 0.3 + 0.5 * warmth,
            text=[_hover(trial)] * len(axes),
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(
        tickmode="array",
        tickvals=list(range(len(axes))),
        ticktext=["<br>".join(label(part, 17) for part in axis.title.split(": ")) for axis in axes],
        tickangle=0,
        tickfont={"size": 11},
        side="top",
        showgrid=False,
        range=[-0.1, len(axes) - 0.55],
        fixedrange=True,
    )
    figure.update_yaxes(visible=False, range=[-0.04, 1.04], fixedrange=True)
    figure.update_layout(margin={"l": 50, "r": 20, "t": 60, "b": 20}, hovermode="closest")
    return figure


def parallel_plot(trials: Sequence[Trial], models: Sequence[str], best: Trial | None) -> Plot | None:
    """The figure for a page; None without a complete trial."""
    done = completed(trials)
    if not done:
        return None
    subtasks = list(done[0].allocation)
    rows = [
        [
            str(trial.number),
            *(str(trial.allocation[name]) for name in subtasks),
            number(trial.cost),
            score(trial.score),
        ]
        for trial in done[:MOST_LINES]
    ]
    left_out = f" The {MOST_LINES} best of {len(done)} trials are drawn." if len(done) > MOST_LINES else ""
    return Plot(
        "parallel",
        "Allocations and their scores",
        "Each line is a trial: it passes through what the trial chose for every subtask and ends at its cost and its "
        "score. Warm lines scored high, the thick one is the recommended allocation." + left_out,
        parallel_figure(trials, models, best),
        Table(["trial", *subtasks, "cost", "score"], rows, frozenset({"trial", "cost", "score"}), left_out.strip()),
        wide=True,
    )


def _warmth(value: float, least: float, most: float) -> float:
    return (value - least) / (most - least) if most > least else 1.0


def _colour(warmth: float) -> str:
    from plotly.colors import sample_colorscale

    colour: str = sample_colorscale([list(step) for step in SCALE], [warmth])[0]
    return colour


def _hover(trial: Trial) -> str:
    return lines(
        f"trial {trial.number}: {score(trial.score)} at cost {number(trial.cost)}",
        *(f"{name}: {choice}" for name, choice in trial.allocation.items()),
        trial.origin,
    )
