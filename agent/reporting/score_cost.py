"""Score against cost: every trial, and the front of those that no cheaper one beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.judging import BEST, LARGEST, SMALLEST
from agent.reporting.plot import Plot, Table
from agent.reporting.style import COLOURS, GREY, label, lines, log_axis, new_figure, number, score
from environment.task import HELD_OUT
from tools.cost import COSTS
from tools.front import front
from tools.history import completed
from tools.trial import StageScore, Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from agent.session import Result


def unit_of(result: Result) -> str:
    """The unit of the session's costs and of its budget."""
    return COSTS.get(result.config.cost).unit


def searched_front(result: Result) -> list[Trial]:
    """The trials that score higher on the search examples than every cheaper one, the cheapest first."""
    return front(completed(result.trials), lambda trial: trial.cost, lambda trial: trial.score or 0.0)


def front_figure(result: Result) -> Figure:
    """Trials as dots and their front as steps; judged allocations with their held-out scores and 95% intervals."""
    figure = new_figure(xaxis_title=f"cost of an example, {label(unit_of(result))}", yaxis_title="score")
    done = completed(result.trials)
    figure.add_scatter(
        x=[trial.cost for trial in done],
        y=[trial.score for trial in done],
        mode="markers",
        name="a trial, search examples",
        marker={"size": 7, "color": GREY, "opacity": 0.55},
        text=[_hover(trial) for trial in done],
        hovertemplate="%{text}<extra></extra>",
    )
    steps = searched_front(result)
    figure.add_scatter(
        x=[trial.cost for trial in steps],
        y=[trial.score for trial in steps],
        mode="lines+markers",
        name="front of the trials",
        line={"shape": "hv", "width": 2, "color": COLOURS[0]},
        marker={"size": 7, "color": COLOURS[0]},
        text=[_hover(trial) for trial in steps],
        hovertemplate="%{text}<extra></extra>",
    )
    for name, symbol, colour in (
        (BEST, "star", COLOURS[1]),
        (LARGEST, "square", COLOURS[3]),
        (SMALLEST, "triangle-up", COLOURS[2]),
    ):
        if (judged := result.evaluation(name, HELD_OUT)) is not None:
            _judged(figure, [judged.cost], [judged.score], f"{name}, held-out", symbol, colour)
    if result.front:
        scores = [point.score for point in result.front]
        _judged(figure, [p.cost for p in result.front], scores, "judged front, held-out", "diamond", COLOURS[4])
    budget = result.config.budget
    figure.add_scatter(
        x=[budget, budget],
        y=[0, max([trial.score or 0.0 for trial in done] + [e.score.interval.high for e in result.evaluations])],
        mode="lines",
        name="budget",
        line={"width": 1.5, "dash": "dash", "color": GREY},
        hovertemplate="budget %{x:.4g}<extra></extra>",
    )
    figure.update_xaxes(**log_axis([budget, *(trial.cost for trial in done)]))
    figure.update_yaxes(rangemode="tozero")
    return figure


def _judged(
    figure: Figure, costs: Sequence[float], scores: Sequence[StageScore], name: str, symbol: str, colour: str
) -> None:
    figure.add_scatter(
        x=costs,
        y=[one.mean for one in scores],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [one.interval.high - one.mean for one in scores],
            "arrayminus": [one.mean - one.interval.low for one in scores],
            "thickness": 1.5,
            "width": 5,
            "color": colour,
        },
        mode="markers",
        name=name,
        marker={"size": 13 if symbol == "star" else 10, "symbol": symbol, "color": colour},
        hovertemplate=f"{name}<br>%{{y:.3f}} at %{{x:.4g}}<extra></extra>",
    )


def front_plot(result: Result) -> Plot | None:
    """The figure for a page; None without a complete trial."""
    steps, unit = searched_front(result), unit_of(result)
    if not steps:
        return None
    rows = [
        ["trial", str(trial.number), str(trial.allocation), number(trial.cost), f"{score(trial.score)} (search)"]
        for trial in steps
    ]
    judged = [e for e in result.evaluations if e.split == HELD_OUT]
    rows += [
        [
            "judged",
            e.label,
            str(e.allocation),
            number(e.cost),
            f"{score(e.score.mean)} [{e.score.interval.low:.2f}, {e.score.interval.high:.2f}] (held-out)",
        ]
        for e in sorted(judged, key=lambda e: e.cost)
    ]
    return Plot(
        "front",
        "Score against cost",
        "Grey dots are trials. The steps are the highest search scores that a cost buys; the larger marks are judged "
        "on the held-out examples, which took no part in the search, with 95% intervals. Right is dearer.",
        front_figure(result),
        Table(["", "which", "allocation", f"cost, {unit}", "score"], rows, frozenset({f"cost, {unit}", "score"})),
    )


def _hover(trial: Trial) -> str:
    return lines(
        f"trial {trial.number}: {score(trial.score)} at cost {number(trial.cost)}",
        *(f"{name}: {choice}" for name, choice in trial.allocation.items()),
    )
