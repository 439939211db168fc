"""The search trajectory: the best score after each trial, beside other searches where there were any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agent.judging import LARGEST, SMALLEST
from agent.reporting.plot import Plot, Table
from agent.reporting.style import COLOURS, DASHES, GREY, label, lines, new_figure, number, score
from environment.task import SEARCH
from tools.trial import Trial

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from agent.session import Result


def best_so_far(trials: Sequence[Trial]) -> list[tuple[int, float]]:
    """(number of trials, highest score so far) after every trial with a score, counted from 1."""
    points: list[tuple[int, float]] = []
    for place, trial in enumerate(trials, 1):
        if trial.score is not None:
            points.append((place, max(trial.score, points[-1][1] if points else trial.score)))
    return points


def trajectory_figure(result: Result, rivals: Mapping[str, Result]) -> Figure:
    """Each trial's score as a dot, the best so far as a line; `rivals` are other sessions by label."""
    figure = new_figure(xaxis_title="trials", yaxis_title="score on the search examples")
    done = [(place, trial) for place, trial in enumerate(result.trials, 1) if trial.score is not None]
    for place, (name, rival) in enumerate(rivals.items(), 1):
        points = best_so_far(rival.trials)
        figure.add_scatter(
            x=[trial for trial, _ in points],
            y=[best for _, best in points],
            name=label(name, 40),
            mode="lines",
            line={
                "shape": "hv",
                "width": 1.75,
                "color": COLOURS[place % len(COLOURS)],
                "dash": DASHES[(place - 1) % len(DASHES)],
            },
            hovertemplate="trial %{x}: best %{y:.3f}",
        )
    figure.add_scatter(
        x=[place for place, _ in done],
        y=[trial.score for _, trial in done],
        name="a trial",
        mode="markers",
        marker={"size": 6, "color": COLOURS[0], "opacity": 0.55},
        text=[_hover(trial) for _, trial in done],
        hovertemplate="%{text}<extra></extra>",
    )
    points = best_so_far(result.trials)
    figure.add_scatter(
        x=[trial for trial, _ in points],
        y=[best for _, best in points],
        name=label(f"{result.config.searcher}, best so far", 40),
        mode="lines",
        line={"shape": "hv", "width": 3, "color": COLOURS[0]},
        hovertemplate="after %{x} trials: %{y:.3f}<extra></extra>",
    )
    for name, dash in ((LARGEST, "dash"), (SMALLEST, "dot")):
        if (naive := result.evaluation(name, SEARCH)) is not None and done:
            figure.add_scatter(
                x=[1, max(len(result.trials), 2)],
                y=[naive.score.mean] * 2,
                name=name,
                mode="lines",
                line={"width": 1.25, "color": GREY, "dash": dash},
                hovertemplate=f"{name}: %{{y:.3f}}<extra></extra>",
            )
    longest = max(len(one.trials) for one in (result, *rivals.values()))
    figure.update_xaxes(range=[0, 1.03 * max(longest, 2)])
    figure.update_yaxes(rangemode="tozero")
    return figure


def trajectory_plot(result: Result, rivals: Mapping[str, Result]) -> Plot:
    """The figure for a page."""
    ours = result.config.searcher
    sessions = {ours: result, **rivals}
    paths = {name: dict(best_so_far(one.trials)) for name, one in sessions.items()}
    longest = max((max(path, default=0) for path in paths.values()), default=0)
    rows = [
        [str(trial), *(score(path.get(trial)) for path in paths.values())]
        for trial in range(1, longest + 1)
        if trial <= 10 or trial % 5 == 0 or trial == longest
    ]
    against = (
        f" The other lines are the best scores of other searches with the same budget: {', '.join(rivals)}."
        if rivals
        else " No other search of this task with this budget is stored; run one with another --searcher to compare."
    )
    return Plot(
        "trajectory",
        "Search trajectory",
        "The line is the highest score on the search examples so far, a dot the score of one trial. Scores of few "
        "examples are partly luck, so the highest is too high on average; the recommendation allows for that."
        + against,
        trajectory_figure(result, rivals),
        Table(["trials", *paths], rows, frozenset({"trials", *paths})),
    )


def _hover(trial: Trial) -> str:
    interval = trial.interval
    return lines(
        f"trial {trial.number}: {score(trial.score)} [{interval.low:.2f}, {interval.high:.2f}]",
        *(f"{name}: {choice}" for name, choice in trial.allocation.items()),
        f"cost {number(trial.cost)}",
    )
