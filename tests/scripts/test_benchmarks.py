"""Every benchmark script runs and prints its figures; how large they are is not tested."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


def printed(
    name: str, arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> list[list[str]]:
    """The cells of the table that a script prints, without its head."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [name, *arguments.split()])
    runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(
    ("name", "arguments", "figures"),
    [
        ("bench_calculus", "--runs 1 --allocations 2000 --max-samples 20", 3),
        pytest.param("bench_startup", "--runs 1 --trials 2", 2, marks=pytest.mark.slow),
        ("bench_loop", "--runs 1 --trials 3", 2),
        ("bench_replay", "--runs 1 --trials 2", 2),
        ("bench_throughput", "--runs 1 --in-flight 1 4 --rounds 2 --least 4 --latency 0.01", 4),
        ("bench_storage", "--runs 1 --samples 6000 --sessions 5 --trials 10", 4),
    ],
)
def test_a_benchmark_prints_its_figures(
    name: str,
    arguments: str,
    figures: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = printed(name, arguments, monkeypatch, capsys, tmp_path)
    assert len(rows) == figures
    assert all(len(row) == 5 and row[0] and row[1] for row in rows)


@pytest.mark.slow
def test_searchers_are_timed_beside_optunas_samplers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    rows = printed("bench_searchers", "--runs 1 --trial 4 --many 20", monkeypatch, capsys, tmp_path)
    assert len(rows) == 5


@pytest.mark.slow
def test_a_search_issues_no_more_than_the_samples_that_its_allocations_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = printed("bench_generations", "--trials 3 --searchers random", monkeypatch, capsys, tmp_path)
    assert all("issued 1.0000 times that" in row[2] for row in rows)
    assert "made 0 of its" in rows[-1][1]


def test_more_workers_answer_no_less_and_what_is_short_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("simpy")
    rows = printed("simulate_scale", "--window 40 --workers 4 32 --writers 4", monkeypatch, capsys, tmp_path)
    few, many = ([float(cell.rstrip("%").replace(",", "")) for cell in row] for row in rows)
    assert many[2] > 2 * few[2]
    assert few[6] > 95 > many[6]
