"""A session's report: the answer first, then how it was found, example by example, and how to run it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.reporting import accounting, reproduction
from agent.reporting.answer import answer_of
from agent.reporting.budget_split import budget_split_plot
from agent.reporting.coupling import coupling_plots
from agent.reporting.curves import curve_plots
from agent.reporting.drill_down import allocation_views
from agent.reporting.findings import Findings, gather
from agent.reporting.page import write_page
from agent.reporting.parallel import parallel_plot
from agent.reporting.plot import Plot, Table
from agent.reporting.score_cost import front_plot
from agent.reporting.style import DASH, number, require_plotly, score
from agent.reporting.timeline import batches, bounded
from agent.reporting.trajectory import trajectory_plot
from agent.setup import software
from tools.trial import Trial

if TYPE_CHECKING:
    from agent.session import Result
    from environment.pipelines.searchable import SearchablePipeline
    from environment.task import Task

MOST_ROWS = 1000
"""Trials in the table of all of them."""


def write_report(
    result: Result,
    path: Path,
    *,
    task: str | Task | SearchablePipeline | None = None,
    against: Sequence[str] = (),
    trials: Sequence[int] = (),
    examples: int = 12,
) -> Path:
    """Writes the report; see `Result.report`."""
    require_plotly()
    found = gather(result, task=task, against=against, trials=trials, examples=examples)
    answer = answer_of(result)
    listed, batches_left_out = bounded(batches(result))
    return write_page(
        path,
        "session.html.j2",
        result=result,
        record=found.record,
        findings=found,
        answer=answer,
        title=f"{answer.task}, session {result.session_id}",
        sections=sections(found),
        batches=listed,
        batches_left_out=batches_left_out,
        views=allocation_views(found.task, found.traces) if found.task else [],
        generations=accounting.generations_table(result),
        generations_sentence=accounting.generations_sentence(result),
        agent_rows=accounting.agent_rows(result),
        spending_rows=accounting.spending_rows(result),
        faults=accounting.faults_table(result),
        price_rows=accounting.price_rows(result, found.task) if found.task else [],
        trials=trials_table(result.trials),
        command=reproduction.command(result.config),
        configuration=reproduction.configuration(result.config),
        versions=reproduction.versions(found.made_with or software()),
        versions_stored=bool(found.made_with),
    )


def sections(found: Findings) -> list[tuple[str, str, list[Plot]]]:
    """(id, heading, figures) of every section with figures, in their order; those without a figure are left out."""
    result, models = found.result, found.models
    if result.best_or_none is None:
        return []
    space = found.problem.space if found.problem else None
    split = budget_split_plot(result, found.problem.space, found.problem.cost) if found.problem else None
    grouped: list[tuple[str, str, list[Plot | None]]] = [
        ("trajectory", "How the search went", [trajectory_plot(result, found.rivals)]),
        ("curves", "How scores grow with samples", [*curve_plots(space, result.trials)] if space else []),
        ("allocations", "What was tried", [parallel_plot(result.trials, models, result.best_or_none)]),
        ("budget", "What it costs", [split, front_plot(result)]),
        ("coupling", "How subtasks depend on each other", [*coupling_plots(result.trials, models)]),
    ]
    shown = [(name, heading, [plot for plot in plots if plot is not None]) for name, heading, plots in grouped]
    return [section for section in shown if section[2]]


def trials_table(trials: Sequence[Trial]) -> Table:
    """Every trial in a row, up to MOST_ROWS of them."""
    subtasks = list(trials[0].allocation) if trials else []
    columns = ["trial", "batch", *subtasks, "cost", "score", "95% interval", "state", "proposed by"]
    rows = []
    for trial in trials[:MOST_ROWS]:
        interval = f"{trial.interval.low:.2f} {DASH} {trial.interval.high:.2f}" if trial.score is not None else DASH
        state = f"{trial.state}: {trial.error}" if trial.error else str(trial.state)
        rows.append(
            [
                str(trial.number),
                str(trial.batch),
                *(str(trial.allocation[name]) for name in subtasks),
                number(trial.cost),
                score(trial.score),
                interval,
                state,
                trial.origin,
            ]
        )
    left = len(trials) - MOST_ROWS
    left_out = f"The first {MOST_ROWS:,} of {len(trials):,} trials; `agenttts show --json` has all." if left > 0 else ""
    return Table(columns, rows, frozenset({"trial", "batch", "cost", "score", "95% interval"}), left_out)
