from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agent.comparison.arena import Arena
from agent.comparison.compare import compare
from agent.comparison.opening import open_arena
from agent.comparison.plan import Plan, SearcherEntry, TaskEntry
from agent.comparison.pool import Progress
from agent.comparison.result import Comparison
from agent.optuna_random import RandomSearcher
from agent.search import Search
from agent.searcher import SEARCHERS, Proposal
from agenttts.cli.comparison_tables import print_comparison
from environment.loading import load_task
from environment.task import SEARCH
from tools.errors import InvalidInput, StorageError, UnknownName
from tools.trial import Trial, best_trial

SMALL: dict[str, Any] = {"seeds": 2, "trials": 6, "batch": 3, "workers": 1}


class BreaksLater(RandomSearcher):
    name = "breaks-later"

    def tell(self, trials: Sequence[Trial]) -> None:
        super().tell(trials)
        if trials[0].batch == 1:
            raise ZeroDivisionError("broken on purpose")


class Stingy(RandomSearcher):
    name = "stingy"

    def ask(self, n: int) -> list[Proposal]:
        return super().ask(1) if not self._asked else []


@pytest.fixture
def odd_searchers(monkeypatch: pytest.MonkeyPatch) -> None:
    for searcher in (BreaksLater, Stingy):
        monkeypatch.setitem(SEARCHERS._registered, searcher.name, searcher)


def test_a_run_is_a_search_told_the_same_scores() -> None:
    found = compare("simulated-2wiki", ["tpe"], **SMALL | {"trials": 14})
    for run in found.runs:
        task = load_task("simulated-2wiki", draw=run.seed)
        assert task.simulation is not None
        search = Search(task.space, None, "tpe", run.seed, cost=task.cost)
        while len(search.trials) < 14:
            for trial in search.ask(3, at_most=14 - len(search.trials)):
                search.tell(trial, stage_scores=task.simulation.scores(trial.allocation, SEARCH))
            search.conclude()
        assert [step.allocation for step in run.steps] == [trial.allocation for trial in search.trials]
        assert [step.search_score for step in run.steps] == [trial.score for trial in search.trials]
        for step in run.steps:
            best = best_trial(search.trials[: step.trial])
            assert best is not None
            assert step.best_search_score == best.score
            assert step.best_true_score == task.simulation.expected(best.allocation)["qa"]
        assert run.best is not None
        assert run.best.trial == (search.best.number if search.best else -1) + 1


def test_both_rules_are_judged_at_the_checkpoints() -> None:
    found = compare("simulated-2wiki", ["tpe"], **SMALL | {"trials": 14, "checkpoints": (5, 14, 99)})
    assert found.plan.checkpoints == (5, 14)
    for run in found.runs:
        task = load_task("simulated-2wiki", draw=run.seed)
        assert task.simulation is not None
        search = Search(task.space, None, "tpe", run.seed, cost=task.cost)
        for trial in search.ask(3):
            search.tell(trial, stage_scores=task.simulation.scores(trial.allocation, SEARCH))
        for trial in search.ask(3)[:2]:
            search.tell(trial, stage_scores=task.simulation.scores(trial.allocation, SEARCH))
        assert search.recommended is not None
        assert run.recommended_after(5) == task.simulation.expected(search.recommended.allocation)["qa"]
        assert run.best_after(5) == run.steps[4].best_true_score
        assert run.recommended is not None
        assert run.recommended_after(14) == run.recommended.true_score
    (row,) = found.summary
    regrets = [run.regret(run.recommended_after(5) or 0.0) for run in found.runs]
    assert row["recommended_regret_after_5"] == pytest.approx(sum(regrets) / 2)
    with pytest.raises(InvalidInput, match="checkpoints"):
        compare("simulated-2wiki", ["tpe"], **SMALL | {"checkpoints": (0,)})


@pytest.mark.slow
def test_results_depend_neither_on_the_workers_nor_on_the_day() -> None:
    arguments: dict[str, Any] = {"seeds": 2, "trials": 12, "budgets": ["low", "high"]}
    searchers = ["random", "tpe"]
    first, again, parallel = (compare("simulated-2wiki", searchers, **arguments, workers=n) for n in (1, 1, 2))
    assert first.runs == again.runs == parallel.runs
    assert [(r.budget, r.seed, r.searcher) for r in first.runs[:5]] == [
        *(("low", 1, s) for s in searchers),
        *(("high", 1, s) for s in searchers),
        ("low", 2, "random"),
    ]


def test_every_searcher_meets_the_same_problem() -> None:
    found = compare("simulated-2wiki", ["grid", "random"], **SMALL, first_seed=5)
    assert {run.seed for run in found.runs} == {5, 6}
    for seed in (5, 6):
        oracles = {(run.oracle.score, run.oracle.allocation) for run in found.runs if run.oracle and run.seed == seed}
        assert len(oracles) == 1
    scores = {(step.allocation, run.seed): step.search_score for run in found.runs for step in run.steps}
    assert all(scores[step.allocation, run.seed] == step.search_score for run in found.runs for step in run.steps)


@pytest.mark.usefixtures("odd_searchers")
def test_a_failing_run_is_kept_with_its_error_and_the_rest_goes_on() -> None:
    seen: list[Progress] = []
    found = compare("simulated-2wiki", ["random", "breaks-later"], **SMALL, report=seen.append)
    assert [run.error for run in found.failures] == ["ZeroDivisionError: broken on purpose"] * 2
    assert [len(run.steps) for run in found.runs] == [6, 5, 6, 5]
    assert all(run.recommended == run.best for run in found.failures)
    assert seen[0] == Progress(0, 4, 0)
    assert seen[-1] == Progress(4, 4, 2)
    assert "2 of 4 runs failed" in found.notes[-1]
    assert [failure["searcher"] for failure in found.to_dict()["failures"]] == ["breaks-later"] * 2


def test_a_problem_that_cannot_be_set_up_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_or_fail(plan: Plan, position: int, draw: int | None) -> Arena:
        if draw == 2:
            raise StorageError("the disk is gone")
        return open_arena(plan, position, draw)

    monkeypatch.setattr("agent.comparison.pool.open_arena", open_or_fail)
    found = compare("simulated-2wiki", ["random", "tpe"], **SMALL)
    assert [run.error for run in found.runs] == ["", "", *["StorageError: the disk is gone"] * 2]
    assert [(row["runs"], row["failed"], row["source"]) for row in found.summary] == [(2, 1, "simulated")] * 2
    assert [(row.units, row.unmeasured) for row in found.paired[:1]] == [(1, 1)]
    assert json.loads((found.write(tmp_path)[-1]).read_text(), parse_constant=pytest.fail)["failures"][0]["seed"] == 2
    page = Console(file=StringIO(), width=120)
    print_comparison(page, found)
    assert "the disk is gone" in page.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("odd_searchers")
def test_a_searcher_that_stops_early_stays_where_it_was() -> None:
    found = compare("simulated-2wiki", ["stingy"], **SMALL)
    assert [len(run.steps) for run in found.runs] == [1, 1]
    assert not found.failures
    regrets = {row["regret"] for row in found.bands}
    assert len(found.bands) == 6
    assert max(regrets) == pytest.approx(min(regrets))


def test_the_recommended_trial_and_the_best_by_search_score_are_both_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Search, "recommended", property(lambda search: search.trials[0]))
    for run in compare("simulated-2wiki", ["random"], **SMALL).runs:
        assert run.recommended is not None
        assert run.best is not None
        assert run.recommended.trial == 1
        assert run.best.search_score == max(step.search_score for step in run.steps)
        assert run.recommended.true_score == run.steps[0].true_score


def test_options_and_labels_tell_variants_apart() -> None:
    tasks = [TaskEntry("simulated-2wiki", {"search_examples": n}, f"simulated-2wiki, {n} examples") for n in (10, 20)]
    found = compare(tasks, ["random"], **SMALL)
    assert [row["task"] for row in found.summary] == [task.label for task in tasks]
    ten, twenty = (next(run.steps[0] for run in found.runs if run.task == task.label) for task in tasks)
    assert ten.allocation == twenty.allocation
    assert 2 * ten.generations == twenty.generations


@pytest.fixture(scope="module")
def both() -> Comparison:
    return compare(["contrary-all", "multihop-recorded"], ["random", "tpe"], **SMALL, budgets=["low"])


def test_the_files_hold_everything_and_say_simulated(both: Comparison, tmp_path: Path) -> None:
    paths = {path.name: path for path in both.write(tmp_path / "deep" / "folder")}
    tables = {}
    for name in ("runs", "trajectories", "bands", "paired"):
        with paths[f"{name}.csv"].open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    assert [len(tables[name]) for name in ("runs", "trajectories", "bands")] == [8, 48, 24]
    for rows in tables.values():
        for row in rows:
            expected = {"contrary-all": "simulated", "multihop-recorded": "recorded", "all": "recorded and simulated"}
            assert row["source"] == expected[row["task"]]
    run = both.runs[0]
    assert run.recommended is not None
    assert float(tables["runs"][0]["recommended_true_score"]) == run.recommended.true_score
    document = json.loads(paths["summary.json"].read_text(), parse_constant=pytest.fail)
    assert document["simulated"] is True
    assert document["simulated_tasks"] == ["contrary-all"]
    assert document["plan"]["seeds"] == 2
    assert len(document["summary"]) == 4
    assert {row["metric"] for row in document["paired"]} >= {"recommended_true_score", "trials_to_oracle"}
    assert any("Simulated" in note for note in document["notes"])
    assert len(both.to_dataframe("summary")) == 4
    with pytest.raises(UnknownName, match="summary"):
        both.to_dataframe("sumary")


def test_the_plots_say_simulated(both: Comparison, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    paths = both.plot(tmp_path)
    assert [path.name for path in paths] == ["contrary-all.svg", "multihop-recorded.svg"]
    assert "contrary-all (simulated)" in paths[0].read_text()
    assert paths[0].read_bytes() == both.plot(tmp_path / "again")[0].read_bytes()
    with pytest.raises(InvalidInput, match="svg, png, pdf"):
        both.plot(tmp_path, file_format="gif")


def test_plots_need_matplotlib(both: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.comparison.plots.find_spec", lambda _: None)
    with pytest.raises(InvalidInput, match=r"agenttts\[plot\]"):
        both.plot(tmp_path)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("seeds", {"seeds": 0}),
        ("trials", {"trials": True}),
        ("batch", {"batch": 1.5}),
        ("first_seed", {"first_seed": 0}),
        ("budgets", {"budgets": ["huge"]}),
        ("budgets", {"budgets": [-1.0]}),
        ("budgets", {"budgets": [float("nan")]}),
        ("budgets", {"budgets": []}),
        ("budgets", {"budgets": [900, 900.0]}),
        ("reference", {"reference": "gp"}),
        ("within", {"within": 1}),
        ("tie_tolerance", {"tie_tolerance": -0.1}),
        ("workers", {"workers": 0}),
        ("cost", {"cost": "euro"}),
        ("budget", {"budgets": [1.0]}),
    ],
)
def test_bad_input_is_named_before_the_first_run(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        compare("simulated-2wiki", ["random"], **SMALL | changes, report=lambda _: pytest.fail("it ran"))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("tasks", "searchers", "field"),
    [
        ([], ["random"], "tasks"),
        ("simulated-2wiki", [], "searchers"),
        (["simulated-2wiki"] * 2, ["random"], "tasks"),
        ("simulated-2wiki", ["random", "random"], "searchers"),
        ("simulated-3wiki", ["random"], "task"),
        ("simulated-2wiki", ["randem"], "searcher"),
        ("simulated-2wiki", [SearcherEntry("random", {"colour": "red"})], "option of searcher 'random'"),
        (TaskEntry("simulated-2wiki", {"search_examples": 0}), ["random"], "search_examples"),
    ],
)
def test_bad_tasks_and_searchers_are_named(tasks: Any, searchers: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        compare(tasks, searchers, **SMALL)
    assert caught.value.field == field


def test_a_plan_lists_its_cells_budget_by_budget_within_a_seed() -> None:
    plan = Plan((TaskEntry("a"), TaskEntry("b")), (SearcherEntry("x"),), seeds=2, budgets=("low", 9.5))
    assert [(cell.task, cell.seed, cell.budget) for cell in plan.cells][:4] == [
        (0, 1, 0),
        (0, 1, 1),
        (0, 2, 0),
        (0, 2, 1),
    ]
    assert plan.budget_labels == ["low", "9.5"]
    assert plan.runs == 8
    assert json.loads(json.dumps(plan.to_dict()))["reference"] == "x"
