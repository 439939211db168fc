"""`agenttts pareto`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.agenttts.test_command_line import Run, agenttts, document

__all__ = ["agenttts"]

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="figures need matplotlib")


@needs_matplotlib
def test_the_front_is_searched_stored_shown_and_drawn(agenttts: Run, tmp_path: Path) -> None:
    found = document(agenttts("pareto", "--trials", "12", "--plot", "front.svg", "--json"))
    assert found["recorded_from"]
    costs = [point["cost"] for point in found["points"]]
    assert costs == sorted(costs)
    assert all(len(point["held_out_interval"]) == 2 for point in found["points"])
    assert (tmp_path / "front.svg").read_text().startswith("<?xml")
    assert document(agenttts("pareto", "--session", "last", "--json")) == found
    shown = " ".join(agenttts("pareto", "--session", found["session"]).stdout.split())
    assert "budgets up to" in shown
    assert "held-out score" in shown
    assert "budgets up to" in " ".join(agenttts("resume", "last").stdout.split())


def test_a_simulated_front_says_so(agenttts: Run) -> None:
    done = agenttts("pareto", "simulated-2wiki", "--trials", "8", "--cap", "price=0.001")
    assert done.returncode == 0, done.stderr
    assert "Simulated" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--plot", "front.gif"), "--plot: 'front.gif' must end in one of: svg, png, pdf"),
        (("--plot", "no/front.svg"), "--plot: the folder of no/front.svg does not exist"),
        (("--budget", "1"), "budget: 1 base passes fits no allocation"),
        (("--searcher", "planer-front"), "did you mean 'planner-front'"),
        (("--executor", "slurm"), "executor: unknown name 'slurm'"),
        (("--mlflow", "nowhere://mlflow"), "mlflow: "),  # no such tracking URI, or the extra is not installed
        (("--session", "last"), "session: no session is called 'last'"),
        (("--trials", "0"), "trials: must be a whole number from 1 to 1,000,000"),
    ],
)
def test_bad_input_is_one_line(agenttts: Run, arguments: tuple[str, ...], message: str) -> None:
    done = agenttts("pareto", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_session_of_one_budget_is_refused(agenttts: Run) -> None:
    assert agenttts("search", "--trials", "6").returncode == 0
    done = agenttts("pareto", "--session", "last")
    assert done.returncode == 2
    assert "searched for one budget" in done.stderr
