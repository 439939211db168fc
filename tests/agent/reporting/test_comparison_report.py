"""What the figures of a comparison's report hold."""

from __future__ import annotations

from pathlib import Path

import pytest

import agenttts as tts
from agent.comparison.result import Comparison
from agent.reporting.comparison_figures import ALL, band_figure, band_plots, forest_plot, wins_plot
from agent.reporting.comparison_report import failures_table, summary_table
from tools.errors import InvalidInput

TASK = "contrary-size"


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    searchers = [tts.SearcherEntry("random"), tts.SearcherEntry("tpe")]
    return tts.compare([tts.TaskEntry(TASK)], searchers, seeds=2, trials=6, budgets=["low"], workers=1)


def test_bands_are_drawn_as_they_were_computed(comparison: Comparison) -> None:
    figure = band_figure(comparison.bands, "regret", "regret")
    lines = [trace for trace in figure.data if trace.mode == "lines" and trace.showlegend is None]
    assert [line.name for line in lines] == ["random", "tpe"]
    assert list(lines[0].y) == [row["regret"] for row in comparison.bands if row["searcher"] == "random"]
    assert len({line.line.color for line in lines}) == 2
    regret, reached = band_plots(comparison, TASK, "low", 1)
    assert regret.table.columns == ["trials", "random", "tpe"]
    assert [row[0] for row in reached.table.rows] == ["1", "5", "6"]


def test_differences_and_wins_are_the_paired_rows(comparison: Comparison) -> None:
    forest = forest_plot(comparison, TASK, "low", 1)
    wins = wins_plot(comparison)
    assert forest is not None
    assert wins is not None
    assert forest_plot(comparison, ALL, ALL, 0) is None, "one problem is not pooled"
    row = next(row for row in comparison.paired if row.metric == "recommended_true_score")
    assert forest.figure.data[0].x[0] == row.effect
    assert wins.table.rows[0][2:5] == [str(row.wins), str(row.ties), str(row.losses)]
    assert sum(trace.x[0] for trace in wins.figure.data) == pytest.approx(1)


def test_the_summary_has_a_row_for_each_searcher(comparison: Comparison) -> None:
    rows = summary_table(comparison).rows
    assert [row[1] for row in rows] == ["random", "tpe"]
    assert all(row[2] == "2" for row in rows)
    assert failures_table(comparison) is None


def test_a_report_that_cannot_be_written_says_why(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"output: .* cannot be written: No such file"):
        comparison.report(tmp_path / "missing" / "r.html")
