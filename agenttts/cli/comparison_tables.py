"""A comparison for people: one table for each problem, then the searchers against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from agent.comparison.paired import ALL, PairedRow
from agent.comparison.result import Comparison
from agent.comparison.summary import Row

ERRORS_SHOWN = 5


def print_comparison(console: Console, comparison: Comparison) -> None:
    """What a reader must know, each searcher by itself, then paired with the reference, then failures."""
    plan = comparison.plan
    for note in comparison.notes:
        console.print(note, highlight=False)
    for _, rows in groupby(comparison.summary, key=lambda row: (row["task"], row["budget"])):
        console.print(_summary_table(list(rows), plan.within))
    paired = comparison.paired
    if paired:
        together = [row for row in paired if row.task == ALL]
        console.print(_paired_table(together or paired, plan.tie_tolerance))
    for run in comparison.failures[:ERRORS_SHOWN]:
        where = f"{run.searcher} on {run.task}, budget {run.budget}, seed {run.seed}"
        console.print(f"Failed: {where}, after {len(run.steps)} trials: {run.error}", highlight=False)
    if len(comparison.failures) > ERRORS_SHOWN:
        console.print(f"... and {len(comparison.failures) - ERRORS_SHOWN} more failed runs.")


def _summary_table(rows: Sequence[Row], within: float) -> Table:
    first = rows[0]
    budget = "unknown" if first["budget_value"] is None else f"{first['budget_value']:,.4g} {first['unit']}"
    name = first["task"] if first["source"] in first["task"] else f"{first['task']} ({first['source']})"
    failed = any(row["failed"] for row in rows)
    oracle = "" if first["oracle_score"] is None else f", oracle {first['oracle_score']:.3f}"
    table = Table(
        "searcher",
        "true score\n(recommended)",
        "(best\nsearched)",
        "regret",
        "held-\nout",
        f"reached\n{100 * within:g}%",
        "trials to\n(quartiles)",
        "generations to\n(quartiles)",
        "stayed",
        *(["failed"] if failed else []),
        title=f"{name}, budget {first['budget']} ({budget}), {first['runs']} seeds{oracle}",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=0,
    )
    for row in rows:
        table.add_row(
            row["searcher"],
            _estimate(row, "recommended_true_score"),
            _number(row["best_true_score"]),
            _number(row["recommended_regret"]),
            _number(row["recommended_held_out_score"]),
            f"{row['reached']}/{row['runs']}",
            _quartiles(row, "trials_to_oracle"),
            _quartiles(row, "generations_to_oracle"),
            f"{row['stayed']}/{row['runs']}",
            *([str(row["failed"])] if failed else []),
        )
    return table


def _paired_table(rows: Sequence[PairedRow], tolerance: float) -> Table:
    problems = rows[0].wins + rows[0].ties + rows[0].losses
    table = Table(
        "metric",
        *(["task", "budget"] if rows[0].task != ALL else []),
        "searcher",
        "effect",
        "95% interval",
        "p (Holm)",
        "wins/ties/\nlosses",
        title=f"Against {rows[0].reference}: searcher minus reference, or searcher / reference (x); "
        f"{problems} problems each, {rows[0].units} independent; scores within {tolerance:g} tie",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=0,
    )
    for row in rows:
        mark = "x" if row.effect_is == "ratio" else ""
        signed = "" if mark else "+"
        interval = "-" if row.low is None or row.high is None else f"{row.low:{signed}.3g} to {row.high:{signed}.3g}"
        table.add_row(
            row.title,
            *([row.task, row.budget] if row.task != ALL else []),
            row.searcher,
            "-" if row.effect is None else f"{row.effect:{signed}.3g}{mark}",
            interval,
            "-" if row.p_holm is None else f"{row.p_holm:.2g}",
            f"{row.wins}/{row.ties}/{row.losses}" + (f" ({row.unmeasured} unmeasured)" if row.unmeasured else ""),
        )
    return table


def _estimate(row: Row, name: str) -> str:
    if row[name] is None:
        return "-"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:.3f}" if low is None else f"{row[name]:.3f} [{low:.3f}, {high:.3f}]"


def _quartiles(row: Row, name: str) -> str:
    first, median, third = (row[f"{name}_{part}"] for part in ("first_quartile", "median", "third_quartile"))
    return f"{_time(median)} ({_time(first)}, {_time(third)})"


def _time(value: float | None) -> str:
    return "never" if value is None else f"{value:,.0f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
