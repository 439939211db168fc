"""What the figures and tables of a report hold, apart from how they look."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import agenttts as tts
from agent.reporting.accounting import faults_table, spending_rows
from agent.reporting.answer import answer_of
from agent.reporting.budget_split import splits
from agent.reporting.coupling import couple, paired_subtasks
from agent.reporting.curves import fitted_points
from agent.reporting.drill_down import allocation_views, text
from agent.reporting.findings import gather, rivals_of
from agent.reporting.reproduction import command
from agent.reporting.style import label, number, share, short_names
from agent.reporting.timeline import batches, bounded
from agent.reporting.traces import chosen
from agent.reporting.trajectory import best_so_far
from agent.session import Result
from environment.loading import load_task
from storage.archive import Archive
from storage.database import Database
from storage.fault import FaultKind, FaultSum
from storage.spending import SpendingRecord
from tests.environment.tiny_task import CountingBackend, tiny_task
from tools.errors import InvalidInput
from tools.space import Allocation, Choice
from tools.spending import SpendingCaps, Spent
from tools.trial import Guideline, Trial, TrialState


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('reports') / 'sessions.db'}"


@pytest.fixture(scope="module")
def result(url: str) -> Result:
    """A search of the recorded benchmark, beside two others on the same problem and one on another."""
    tts.run(searcher="random", trials=6, storage=url)
    tts.run(searcher="random", trials=4, seed=1, storage=url)
    tts.run(searcher="tpe", trials=4, budget=400, storage=url)
    return tts.run(trials=12, storage=url)


def trial(
    number: int, score: float | None, *, batch: int = 0, reason: str = "", first: int = 1, second: int = 1
) -> Trial:
    allocation = Allocation({"first": Choice("small", first), "second": Choice("large", second)})
    state = TrialState.FAILED if score is None else TrialState.COMPLETE
    return Trial(number, allocation, float(number + 1), state, "planner", reason, batch, score=score)


def test_the_best_so_far_skips_what_has_no_score_and_never_falls() -> None:
    assert best_so_far([trial(0, None), trial(1, 0.4), trial(2, 0.2), trial(3, 0.5)]) == [(2, 0.4), (3, 0.4), (4, 0.5)]


@pytest.mark.slow
def test_rivals_are_the_newest_of_each_other_searcher_on_the_same_problem(result: Result, url: str) -> None:
    (name,) = rivals_of(result)
    assert name == "random"
    assert rivals_of(result)[name].config.seed == 1
    with Database.open(url) as database:
        older = next(r.id for r in Archive(database).sessions() if r.config.searcher == "random" and r.config.seed == 0)
        other_budget = next(r.id for r in Archive(database).sessions() if r.config.searcher == "tpe")
    assert [rival.session_id for rival in rivals_of(result, [older]).values()] == [older]
    assert list(rivals_of(result, [other_budget])) == ["tpe, budget 400"]


def test_a_session_of_another_task_is_no_rival(result: Result, url: str) -> None:
    other = tts.run("simulated-2wiki", trials=3, storage=url)
    with pytest.raises(InvalidInput, match=r"against: session \w+ searched another task"):
        gather(result, against=[other.session_id])


def test_the_answer_compares_with_the_naive_allocations_on_the_same_examples(result: Result) -> None:
    answer = answer_of(result)
    best, largest = result.evaluation("best"), result.evaluation("largest model everywhere")
    assert best is not None
    assert largest is not None
    assert answer.score == best.score
    assert dict(answer.choices) == dict(result.best.allocation)
    assert f"best scores {best.score.mean - largest.score.mean:+.3f} [" in answer.naive[0].verdict
    assert answer.source.startswith("Recorded generations of: smollm2")
    assert answer.standing == ""


def test_an_unfinished_session_says_so_and_has_no_held_out_score(result: Result) -> None:
    cut = replace(result, evaluations=(), trials=result.trials[:5], state=tts.load_result("last", result.storage).state)
    answer = answer_of(cut)
    assert answer.split == "search"
    assert answer.naive == []
    assert answer_of(replace(cut, trials=())).choices == []


def test_budget_splits_add_up_to_the_costs(result: Result) -> None:
    task = load_task(result.config.task)
    found = splits(result, task.space, task.cost)
    assert found[0].name == f"best (trial {result.best.number})"
    assert found[0].total == pytest.approx(result.best.cost)
    assert [split.name for split in found[1:3]] == ["largest model everywhere", "smallest model everywhere"]
    assert all(set(split.costs) == {"retrieval", "qa"} for split in found)


def test_curves_are_fitted_through_three_counts_or_more(result: Result) -> None:
    space = load_task(result.config.task).space
    for fitted in fitted_points(space, result.trials, "retrieval"):
        assert (fitted.curve is not None) == (len(fitted.points) > 2)
        assert fitted.saturation is None or fitted.saturation <= fitted.points[-1][0]


def test_coupling_averages_and_counts() -> None:
    trials = [trial(0, 0.2, first=1, second=2), trial(1, 0.4, first=1, second=2), trial(2, 0.9, first=4, second=2)]
    found = couple(trials, "first", "second", ["small", "large"])
    assert found.rows == ("small \u00d71", "small \u00d74")
    assert found.cells == {
        ("small \u00d71", "large \u00d72"): (pytest.approx(0.3), 2),
        ("small \u00d74", "large \u00d72"): (0.9, 1),
    }


def test_many_sample_counts_are_grouped_by_doublings() -> None:
    found = couple([trial(n, 0.5, first=n + 1) for n in range(20)], "first", "second", ["small", "large"])
    assert found.rows == tuple(
        f"small \u00d7{group}" for group in ("1", "2\u20133", "4\u20137", "8\u201315", "16\u201331")
    )
    assert sum(count for _, count in found.cells.values()) == 20


def test_coupling_needs_two_subtasks() -> None:
    trials = [trial(0, 0.5)]
    assert paired_subtasks(trials, "", "") == ("first", "second")
    assert paired_subtasks(trials, "second", "") == ("second", "first")
    with pytest.raises(InvalidInput, match="first: unknown name 'third'"):
        paired_subtasks(trials, "third", "")
    with pytest.raises(InvalidInput, match="two subtasks"):
        paired_subtasks(trials, "first", "first")


def test_batches_tie_trials_to_reasons_and_guidelines(result: Result) -> None:
    trials = (trial(0, 0.1, reason="a"), trial(1, 0.2, reason="b"), trial(2, 0.15, batch=1, reason="a"))
    guidelines = (Guideline(0, "use the large one", "planner"),)
    first, second = batches(replace(result, trials=trials, guidelines=guidelines))
    assert [(reason.text, len(reason.trials)) for reason in first.reasons] == [("a", 1), ("b", 1)]
    assert first.guidelines == list(guidelines)
    assert (first.improved, second.improved) == (True, False)


@pytest.mark.parametrize(("most", "numbers"), [(100, [0, 1, 2, 3]), (5, [0, 3]), (1, [0])])
def test_a_long_search_shows_its_first_and_last_batches(result: Result, most: int, numbers: Sequence[int]) -> None:
    trials = tuple(trial(n, 0.5, batch=n // 2) for n in range(8))
    kept, left_out = bounded(batches(replace(result, trials=trials, guidelines=())), most)
    assert [batch.number for batch in kept] == numbers
    assert left_out == 4 - len(numbers)


def test_examples_are_the_worst_and_the_best() -> None:
    scores = [1.0, 0.0, 0.5, 0.0, 1.0, 0.7]
    assert chosen(scores, 4) == [0, 1, 3, 4]
    assert chosen(scores, 1) == [1]
    assert chosen(scores, 6) == list(range(6))


def test_examples_show_prompt_samples_and_fused_answer_without_generating(result: Result) -> None:
    found = gather(result, trials=[0], examples=3)
    assert found.task is not None
    recommended, picked = allocation_views(found.task, found.traces)
    assert recommended.split == "held-out"
    assert recommended.total == 50
    assert len(recommended.strip) == 50
    assert len(recommended.examples) == len(picked.examples) == 3
    assert picked.title.startswith("Trial 0")
    for example in recommended.examples:
        assert example.missing == ""
        assert {name for name, _ in example.fields} >= {"question", "answers", "gold"}
        for stage in example.stages:
            choice = result.best.allocation[stage.name]
            assert sum(sample.count for sample in stage.draws[0].samples) == choice.samples
            assert len(stage.draws) == (2 if choice.samples > 1 else 1), "the fusing call is a draw of its own"
            assert stage.output is not None
    assert [e.score for e in recommended.examples] == [0.0, 0.0, 1.0]


def test_what_is_not_stored_is_said_to_be_missing(tmp_path: Path) -> None:
    backend = CountingBackend()
    url = f"sqlite:///{tmp_path / 'tiny.db'}"
    task = tiny_task(backend)
    result = tts.run(task, trials=4, storage=url)
    made = len(backend.made)
    complete = gather(result, task=task)
    assert all(trace.missing == "" for one in complete.traces for trace in one.traces.values())
    with Database.open(url) as database, database.transaction() as session:
        session.connection().exec_driver_sql("delete from samples where rowid % 2")
    views = allocation_views(task, gather(result, task=task).traces)
    missing = [example.missing for view in views for example in view.examples]
    assert any("lacks" in text and "nothing is generated" in text for text in missing)
    assert len(backend.made) == made, "a report generates nothing"


def test_a_report_without_its_database_or_task_says_what_it_lacks(result: Result, tmp_path: Path) -> None:
    gone = replace(result, storage=f"sqlite:///{tmp_path / 'gone.db'}")
    assert "not at hand" in gather(gone).traces_problem
    assert not (tmp_path / "gone.db").exists()
    moved = replace(result, config=replace(result.config, task=str(tmp_path / "moved.yaml")))
    found = gather(moved)
    assert found.task is None
    assert "moved.yaml" in found.task_problem
    assert found.problem is not None, "the database keeps what the searcher was told"
    assert found.made_with["agenttts"]
    with pytest.raises(InvalidInput, match="trial: 99 is not a complete trial"):
        gather(result, trials=[99])


def test_spending_and_faults_are_told_where_there_were_any(result: Result) -> None:
    assert faults_table(result) is None
    assert [name for name, _ in spending_rows(result)] == ["Read from the recording in all runs"]
    fault = FaultSum("http://h/v1", "small", FaultKind.TIMEOUT, 3, 2, 1.5, 4, 10, 20, 0)
    record = SpendingRecord(SpendingCaps(max_dollars=2.5), Spent(10, 300, 10**12), Spent(1, 2))
    troubled = replace(result, faults=(fault,), spending=record, recorded_from="")
    table = faults_table(troubled)
    assert table is not None
    assert list(table.rows[0]) == [
        "http://h/v1",
        "small",
        "no answer in time",
        "3",
        "2",
        "1.5",
        "4 generations, 30 tokens",
    ]
    assert spending_rows(troubled) == [
        ("Spent in all runs", "10 generations, 300 tokens, $1.0000"),
        ("Cap --max-dollars", "2.5"),
        ("Requests under way, or of a process that died, may come to", "1 generations, 2 tokens"),
    ]


def test_long_texts_are_cut_and_say_so() -> None:
    cut = text("x" * 5000)
    assert (len(cut.shown), cut.left_out) == (4000, 1000)


def test_the_command_runs_the_same_search(result: Result) -> None:
    config = result.config
    assert command(config) == (
        f"agenttts search multihop-recorded --budget {config.budget!r} --searcher planner "
        "--trials 12 --batch 10 --seed 0"
    )
    hostile = replace(config, task_options={"strategy": "$(rm -rf ~)'"}, searcher_options={"n": 3})
    assert command(hostile).endswith("""--set 'strategy="$(rm -rf ~)'"'"'"' --searcher-set n=3""")
    assert command(replace(config, task="handed-over:mine")) == ""


def test_names_and_numbers_read_well() -> None:
    names = ["smollm2-135m-instruct", "qwen2.5-0.5b-instruct"]
    assert short_names(names) == {names[0]: "smollm2-135m", names[1]: "qwen2.5-0.5b"}
    assert short_names(["a-1", "a-2"]) == {"a-1": "1", "a-2": "2"}
    assert short_names(["alone"]) == {"alone": "alone"}
    assert [number(v) for v in (747.3705, 0.00001234, 12, 1234567.8, float("inf"), None)] == [
        "747.4",
        "1.234e-05",
        "12",
        "1,234,568",
        "\u2013",
        "\u2013",
    ]
    assert [share(v) for v in (0.256, 0.0123, 1.0, None)] == ["26%", "1.2%", "100%", "\u2013"]
    assert label("<b>%{x}\n\x1b[31m</b>") == "&lt;b&gt;%&#123;x} \\x1b[31m&lt;/b&gt;"
    assert len(label("x" * 100)) == 60


def test_results_give_figures_rows_and_a_notebook_block(result: Result) -> None:
    rows = result.to_dataframe()
    assert list(rows["number"]) == [trial.number for trial in result.trials]
    assert {"retrieval.model", "qa.samples", "score", "low"} <= set(rows.columns)
    for figure in (
        result.plot_trajectory(),
        result.plot_curves(),
        result.plot_curves(["qa"]),
        result.plot_parallel(),
        result.plot_budget_split(),
        result.plot_front(),
        result.plot_coupling(),
    ):
        assert figure.data
        json.loads(figure.to_json())
    block = result._repr_html_()
    assert "held-out" in block
    assert "<script" not in block
    assert len(block) < 10_000


def test_without_plotly_one_line_says_what_to_install(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.reporting.style.find_spec", lambda name: None)
    for draw in (lambda: result.report(tmp_path / "r.html"), result.plot_front, result.plot_curves):
        with pytest.raises(InvalidInput, match=r"needs plotly: pip install \"agenttts\[report\]\""):
            draw()
    assert not list(tmp_path.iterdir())
    assert "held-out" in result._repr_html_()
