"""Figures of a comparison: regret over trials, arrivals, differences to the reference, wins and losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.reporting.plot import Plot, Table
from agent.reporting.style import COLOURS, DASH, GREY, colours_of, label, new_figure, number, score, share

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from agent.comparison.paired import PairedRow
    from agent.comparison.result import Comparison
    from agent.comparison.summary import Row

ALL = "all"
LEAST_SHADE = 0.14


def problem_name(task: str, budget: str) -> str:
    """A task within a budget, as titles name it."""
    return "all tasks and budgets" if task == ALL else f"{task}, budget {budget}"


def band_figure(rows: Sequence[Row], column: str, title: str) -> Figure:
    """One column of the bands of one task and budget: the mean of each searcher over the seeds, with 95% bands."""
    figure = new_figure(380, xaxis_title="trials", yaxis_title=title)
    searchers = list(dict.fromkeys(row["searcher"] for row in rows))
    for searcher, colour in colours_of(searchers).items():
        line = [row for row in rows if row["searcher"] == searcher]
        trials = [row["trial"] for row in line]
        low, high = ([row[f"{column}_{side}"] for row in line] for side in ("low", "high"))
        figure.add_scatter(
            x=[*trials, *reversed(trials)],
            y=[*high, *reversed(low)],
            fill="toself",
            fillcolor=_shade(colour),
            line={"width": 0},
            legendgroup=searcher,
            showlegend=False,
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=trials,
            y=[row[column] for row in line],
            mode="lines",
            name=label(searcher),
            legendgroup=searcher,
            line={"width": 2.25, "color": colour},
            hovertemplate=f"{label(searcher)}<br>after %{{x}} trials: %{{y:.4f}}<extra></extra>",
        )
    figure.update_yaxes(rangemode="tozero")
    return figure


def band_plots(comparison: Comparison, task: str, budget: str, place: int) -> list[Plot]:
    """Regret and arrivals of one task and budget, for a page."""
    rows = [row for row in comparison.bands if (row["task"], row["budget"]) == (task, budget)]
    if not rows:
        return []
    near = f"{100 * comparison.plan.within:g}%"
    shown = [
        (
            "regret",
            "Regret to the oracle",
            "How much the true score of the best trial so far lacks to the best there is within the budget: the mean "
            "over the seeds, with pointwise 95% bands. Lower is better.",
        ),
        (
            "reached_share",
            f"Runs within {near} of the oracle",
            f"The share of runs whose best trial so far has truly come within {near} of the oracle's score at some "
            "time, with 95% intervals. Higher is better.",
        ),
    ]
    return [
        Plot(f"{column}-{place}", title, reading, band_figure(rows, column, title.lower()), _band_table(rows, column))
        for column, title, reading in shown
    ]


def _band_table(rows: Sequence[Row], column: str) -> Table:
    searchers = list(dict.fromkeys(row["searcher"] for row in rows))
    values = {(row["searcher"], row["trial"]): row for row in rows}
    last = max(row["trial"] for row in rows)
    trials = sorted({1, 5, *range(10, last + 1, 10), last} & {row["trial"] for row in rows})
    body = []
    for trial in trials:
        cells = [values[searcher, trial] for searcher in searchers]
        body.append(
            [
                str(trial),
                *(
                    f"{score(row[column])} [{score(row[f'{column}_low'])}, {score(row[f'{column}_high'])}]"
                    for row in cells
                ),
            ]
        )
    return Table(["trials", *searchers], body, frozenset({"trials", *searchers}))


def forest_figure(rows: Sequence[PairedRow], colours: dict[str, str]) -> Figure:
    """Paired differences to the reference with 95% intervals, one row a metric and searcher."""
    figure = new_figure(130 + 26 * len(rows), xaxis_title="difference in true score, searcher minus reference")
    shown: set[str] = set()
    for row in rows:
        if row.effect is None:
            continue
        error = (
            {
                "type": "data",
                "symmetric": False,
                "array": [row.high - row.effect],
                "arrayminus": [row.effect - row.low],
                "thickness": 1.5,
                "width": 4,
            }
            if row.low is not None and row.high is not None
            else None
        )
        figure.add_scatter(
            x=[row.effect],
            y=[f"{label(row.searcher, 20)} · {label(row.title, 50)}"],
            error_x=error,
            mode="markers",
            marker={"size": 9, "color": colours[row.searcher]},
            name=label(row.searcher),
            legendgroup=row.searcher,
            showlegend=row.searcher not in shown,
            hovertemplate=f"{label(row.searcher)}, {label(row.title)}<br>%{{x:+.4f}}, {_p(row)}<extra></extra>",
        )
        shown.add(row.searcher)
    figure.add_vline(x=0, line={"width": 1.5, "color": GREY})
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def forest_plot(comparison: Comparison, task: str, budget: str, place: int) -> Plot | None:
    """Differences in true score to the reference, for a page; None where there is one searcher alone."""
    rows = [
        row
        for row in comparison.paired
        if (row.task, row.budget) == (task, budget) and row.effect_is == "difference" and "true_score" in row.metric
    ]
    if not rows:
        return None
    columns = ["searcher", "metric", "difference", "95% interval", "p (Holm)", "wins", "ties", "losses", "units"]
    body = [
        [
            row.searcher,
            row.title,
            DASH if row.effect is None else f"{row.effect:+.4f}",
            DASH if row.low is None or row.high is None else f"[{row.low:+.4f}, {row.high:+.4f}]",
            DASH if row.p_holm is None else number(row.p_holm, 2),
            str(row.wins),
            str(row.ties),
            str(row.losses),
            str(row.units),
        ]
        for row in rows
    ]
    colours = colours_of(entry.label for entry in comparison.plan.searchers)
    reference = comparison.plan.reference
    return Plot(
        f"forest-{place}",
        f"Against {reference}",
        f"A mark left of zero: the searcher's true score is lower than {reference}'s on the same problems, on average, "
        "with a 95% interval. p is of the signed-rank test, corrected for making many of them (Holm).",
        forest_figure(rows, colours),
        Table(columns, body, frozenset(columns[2:])),
    )


def wins_figure(rows: Sequence[PairedRow]) -> Figure:
    """Wins, ties and losses against the reference as stacked shares, one bar a searcher and problem."""
    figure = new_figure(120 + 34 * len(rows), barmode="stack", xaxis_title="share of the problems")
    figure.update_layout(legend={"traceorder": "normal"})
    names = [label(f"{row.searcher} · {problem_name(row.task, row.budget)}", 70) for row in rows]
    for word, colour in (("wins", COLOURS[2]), ("ties", GREY), ("losses", COLOURS[1])):
        counts = [getattr(row, word) for row in rows]
        totals = [max(1, row.wins + row.ties + row.losses) for row in rows]
        figure.add_bar(
            y=names,
            x=[count / total for count, total in zip(counts, totals, strict=True)],
            orientation="h",
            name=word,
            marker={"color": colour},
            text=[str(count) if count else "" for count in counts],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": "#ffffff", "size": 11},
            hovertemplate=f"%{{y}}<br>{word}: %{{x:.0%}}<extra></extra>",
        )
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure


def wins_plot(comparison: Comparison) -> Plot | None:
    """Win rates by the main metric, for a page; None where there is one searcher alone."""
    rows = [row for row in comparison.paired if row.metric == "recommended_true_score"]
    if not rows:
        return None
    plan = comparison.plan
    columns = ["searcher", "problem", "wins", "ties", "losses", "win rate"]
    body = [
        [
            row.searcher,
            problem_name(row.task, row.budget),
            str(row.wins),
            str(row.ties),
            str(row.losses),
            share(row.wins / max(1, row.wins + row.ties + row.losses)),
        ]
        for row in rows
    ]
    return Plot(
        "wins",
        f"How often they do better than {plan.reference}",
        f"Each problem is one task, budget and seed. A win has a true score of the recommended allocation that is more "
        f"than {plan.tie_tolerance:g} above {plan.reference}'s; a loss more than that below.",
        wins_figure(rows),
        Table(columns, body, frozenset(columns[2:])),
    )


def _p(row: PairedRow) -> str:
    return "no test" if row.p_holm is None else f"p = {number(row.p_holm, 2)} (Holm)"


def _shade(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{LEAST_SHADE})"
