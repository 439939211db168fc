from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from agent.session import Result, load_result, resume, run
from agenttts.cli.summary import result_to_dict
from environment.loading import load_task
from environment.simulated.calibration import (
    CASE_STUDY,
    CASE_STUDY_BUDGET,
    CASE_STUDY_SECOND,
    TABLE_1,
    TEMPERATURE_ROW,
    RowShape,
    best_by_model,
    poorest_shortfall,
    random_test_scores,
    temperature_row,
)
from environment.simulated.contrary_families import ALL, CONTRARY_FAMILIES, COUPLING, ORDER, PEAK, SIZE
from environment.simulated.curve import Curve
from environment.simulated.executor import SimulatedExample, SimulatedExecutor
from environment.simulated.family import Family
from environment.simulated.paper_families import CHATDEV, PAPER_FAMILIES, TASKBENCH, TWO_WIKI
from environment.simulated.problem import SimulatedProblem
from environment.simulated.surface import Surface
from environment.task import HELD_OUT, SEARCH, TASKS
from tools.errors import BudgetExceeded, InvalidInput, UnknownName
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, SearchSpace
from tools.trial import Trial

FAMILIES = (*PAPER_FAMILIES, *CONTRARY_FAMILIES)
BY_NAME = {family.name: family for family in FAMILIES}


def pick(problem: SimulatedProblem, *samples: int, largest: bool = True) -> Allocation:
    return Allocation(
        {s.name: Choice(s.by_size[-largest].name, n) for s, n in zip(problem.space.subtasks, samples, strict=True)}
    )


def values(problem: SimulatedProblem, allocation: Allocation, stage: str) -> tuple[float, ...]:
    return problem.scores(allocation)[stage].per_example


@pytest.mark.parametrize("name", BY_NAME)
def test_every_family_is_a_task_that_says_it_is_simulated(name: str) -> None:
    task = load_task(name, draw=3, search_examples=20)
    assert task.simulated
    assert task.description.startswith("Simulated: ")
    assert (TASKS.get(name).__doc__ or "").startswith("Simulated: ")
    assert list(task.metrics) == [subtask.name for subtask in task.space.subtasks]
    assert (len(task.search_examples), len(task.held_out_examples)) == (20, 500)
    assert not load_task("multihop-recorded").simulated


@pytest.mark.parametrize("options", [{"draw": -1}, {"draw": 0.5}, {"search_examples": 0}, {"held_out_examples": True}])
def test_an_unusable_option_is_named(options: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(options))):
        load_task("simulated-2wiki", **options)
    with pytest.raises(UnknownName, match="colour"):
        load_task("simulated-2wiki", colour="red")


def test_scores_are_a_function_of_the_arguments_alone() -> None:
    problem, again = SimulatedProblem(TASKBENCH, 5), SimulatedProblem(TASKBENCH, 5)
    first = problem.scores(pick(problem, 3, 2, 1))
    problem.scores(pick(problem, 9, 9, 9), HELD_OUT)
    assert again.scores(pick(again, 3, 2, 1)) == first == problem.scores(pick(problem, 3, 2, 1))
    assert SimulatedProblem(TASKBENCH, 6).scores(pick(problem, 3, 2, 1)) != first


def test_more_examples_keep_the_first_ones() -> None:
    few, many = (SimulatedProblem(TWO_WIKI, 2, search_examples=n) for n in (50, 100))
    assert values(many, CASE_STUDY, "qa")[:50] == values(few, CASE_STUDY, "qa")


def test_a_stage_does_not_know_what_follows_it_and_draws_are_paired() -> None:
    problem = SimulatedProblem(TWO_WIKI, 1, search_examples=2000)
    changed = CASE_STUDY.replace("qa", Choice("llama-3.1-70b", 2))
    assert values(problem, changed, "retrieval") == values(problem, CASE_STUDY, "retrieval")
    base, near, far, other = (
        np.array(values(problem, CASE_STUDY.replace("qa", Choice(model, samples)), "qa"))
        for model, samples in (("llama-3.2-3b", 5), ("llama-3.2-3b", 6), ("llama-3.2-3b", 1), ("llama-3.1-8b", 5))
    )
    differing = [float(np.mean(base != x)) for x in (near, far, other)]
    assert differing[0] < differing[1] < 0.5, "five samples are within six, which has little else"
    assert differing[0] < differing[2] < 0.5


def test_samples_are_nested() -> None:
    """With sampling as the only luck, S samples are the normalised sum of the first S single ones."""
    noise = replace(TWO_WIKI.noise, aptitude=0.0, fusion=0.0)
    problem = SimulatedProblem(replace(TWO_WIKI, noise=noise), 1, search_examples=4000)
    luck = problem._luck[SEARCH][0]
    correlations = [np.corrcoef(luck.of("qwen2.5-7b", s), luck.of("qwen2.5-7b", 16))[0, 1] for s in (1, 4, 8, 16)]
    expected = [0.8**0.5 * (1 - 0.2 / 16) ** 0.5 + 0.2**0.5 * (0.2 / 16) ** 0.5 / 4, 1.0]
    assert correlations[0] == pytest.approx(expected[0], abs=0.02)
    assert all(low < high for low, high in pairwise(correlations))


@pytest.mark.parametrize("family", [TWO_WIKI, CHATDEV, ALL], ids=lambda family: family.name)
def test_the_mean_over_many_examples_is_the_truth(family: Family) -> None:
    problem = SimulatedProblem(family, 4, search_examples=5000)
    stages = len(family.stages)
    for allocation in (pick(problem, *[1] * stages), pick(problem, *range(30, 30 + stages), largest=False)):
        truth = problem.expected(allocation)
        for name, score in problem.scores(allocation).items():
            error = float(np.std(score.per_example)) / 5000**0.5
            assert score.mean == pytest.approx(truth[name], abs=4 * error)
            assert 0 <= min(score.per_example) <= max(score.per_example) <= 1


@pytest.mark.parametrize("family", [TWO_WIKI, TASKBENCH, ALL], ids=lambda family: family.name)
@pytest.mark.parametrize("budget", [1100.0, 1500.0])
def test_the_oracle_is_what_brute_force_finds(family: Family, budget: float) -> None:
    small = SearchSpace(family.space().subtasks, sample_counts=[1, 2, 5, 12, 30])
    surface, cost = Surface(small, family.curves(7)), FlopsCost()
    found = surface.oracle(budget, cost)
    ranked = {a: list(surface.expected(a).values())[-1] for a in small.allocations(budget, cost)}
    assert found.score == pytest.approx(max(ranked.values()), abs=1e-12)
    assert ranked[found.allocation] == pytest.approx(found.score)
    assert found.cost == pytest.approx(small.require_feasible(found.allocation, budget, cost))


def test_the_oracle_refuses_a_budget_that_fits_nothing() -> None:
    with pytest.raises(InvalidInput, match="fits no allocation"):
        SimulatedProblem(TWO_WIKI).oracle(3)


@pytest.mark.parametrize("family", PAPER_FAMILIES, ids=lambda family: family.name)
def test_table_1_within_tolerance(family: Family) -> None:
    """Random search within 0.025 of the paper's on 16 draws, the oracle within 0.01 of its best."""
    paper = TABLE_1[family.name]
    assert fmean(random_test_scores(family, range(1, 17))) == pytest.approx(paper.random, abs=0.025)
    centre = SimulatedProblem(family).oracle(family.budgets["medium"])
    assert centre.score == pytest.approx(paper.agenttts, abs=0.01)


def test_the_case_study_has_the_papers_optimum_and_its_second() -> None:
    surface, cost = SimulatedProblem(TWO_WIKI).surface, FlopsCost()
    first = surface.oracle(CASE_STUDY_BUDGET, cost)
    second = surface.oracle(CASE_STUDY_BUDGET, cost, among={"retrieval": "qwen2.5-32b"})
    third = surface.oracle(CASE_STUDY_BUDGET, cost, among={"qa": "llama-3.1-8b"})
    assert first.allocation == CASE_STUDY
    assert second.allocation == CASE_STUDY_SECOND
    assert first.score - 0.01 < second.score < first.score
    assert third.score < second.score


def test_table_2_has_the_papers_shape() -> None:
    shapes = [RowShape.of(temperature_row(SimulatedProblem(TWO_WIKI, draw))) for draw in range(1, 21)]
    paper = RowShape.of(TEMPERATURE_ROW)
    assert fmean(shape.gain for shape in shapes) == pytest.approx(paper.gain, abs=0.03)
    assert fmean(shape.scatter for shape in shapes) == pytest.approx(paper.scatter, abs=0.01)
    assert fmean(shape.fall for shape in shapes) == pytest.approx(paper.fall, abs=0.03)


@pytest.mark.parametrize("family", PAPER_FAMILIES, ids=lambda family: family.name)
def test_the_papers_families_show_the_insights(family: Family) -> None:
    problem = SimulatedProblem(family)
    last = len(family.stages) - 1
    for position in range(last + 1):
        assert all(1 < samples < 100 for samples, _ in best_by_model(problem, position, 0.0).values())
    good, poor = (best_by_model(problem, last, shortfall) for shortfall in (0.0, poorest_shortfall(problem)))
    small, large = (model.name for model in (problem.space.subtasks[-1].by_size[0], problem.space.subtasks[-1].largest))
    assert all(poor[model][0] > good[model][0] for model in good), "poor upstream delays every peak"
    assert poor[large][1] - poor[small][1] > good[large][1] - good[small][1], "and favours the large model"


def test_the_contrary_families_break_them() -> None:
    def top(family: Family, position: int) -> dict[str, float]:
        return {model: curve.top for model, curve in family.curves(0)[position].items()}

    assert max(top(SIZE, 0), key=top(SIZE, 0).__getitem__) == "qwen2.5-7b"
    for family in (ORDER, ALL):
        small, middle, large = top(family, 0).values()
        assert middle < min(small, large)
    assert max(top(ORDER, 1), key=top(ORDER, 1).__getitem__) == "llama-3.1-8b"
    for position in (0, 1):
        assert {samples for samples, _ in best_by_model(SimulatedProblem(PEAK), position, 0.0).values()} == {100}
    for family in (COUPLING, ALL):
        problem = SimulatedProblem(family, 3)
        poor, good = Choice("qwen2.5-7b", 100), Choice("qwen2.5-72b", 1)
        qa = [problem.expected(CASE_STUDY.replace("retrieval", choice))["qa"] for choice in (poor, good)]
        assert qa[0] == qa[1]


def test_draws_differ_and_stay_near_the_centre() -> None:
    centre, *draws = (SimulatedProblem(TWO_WIKI, draw) for draw in range(40))
    scores = np.array([problem.expected(CASE_STUDY)["qa"] for problem in draws])
    assert len(set(scores)) == len(scores)
    assert scores.mean() == pytest.approx(centre.expected(CASE_STUDY)["qa"], abs=0.01)
    assert 0.005 < scores.std() < 0.03


def test_a_curve_is_single_top_and_late_where_it_says() -> None:
    curve = Curve(single=0.5, peak=10, top=0.7, late=0.6, coupling=2.0, delay=5.0)
    assert [curve.score(s) for s in (1, 10, 100)] == pytest.approx([0.5, 0.7, 0.6])
    assert curve.score(curve.peak_at(0.1), 0.1) == pytest.approx(0.7 - 2.0 * 0.01)
    with pytest.raises(InvalidInput, match="peak"):
        Curve(single=0.8, peak=10, top=0.7, late=0.6)


def test_the_executor_keeps_the_budget_and_counts_like_fusion() -> None:
    task = load_task("simulated-2wiki", search_examples=10)
    executor = SimulatedExecutor(task, 900)

    def usage(retrieval: int, qa: int) -> tuple[int, int, int]:
        allocation = Allocation({"retrieval": Choice("qwen2.5-7b", retrieval), "qa": Choice("llama-3.2-3b", qa)})
        used = asyncio.run(executor.run(allocation, task.examples(SEARCH))).usage
        return used.requested, used.fresh, used.paid

    assert usage(4, 1) == (60, 60, 0)
    assert usage(4, 3) == (90, 30, 0), "retrieval is there; qa samples two more and fuses"
    assert usage(6, 3) == (110, 70, 0), "two samples and a fusing call more, and qa reads another output"
    assert usage(4, 3) == (90, 0, 0)
    tried = [Allocation({"retrieval": Choice("qwen2.5-7b", 4), "qa": Choice("llama-3.2-3b", 1)})]
    executor = SimulatedExecutor(task, 900, tried)
    assert usage(4, 3) == (90, 30, 0), "what an earlier process of the session ran counts as known"
    with pytest.raises(BudgetExceeded):
        executor.evaluate(Allocation({"retrieval": Choice("qwen2.5-72b", 9), "qa": Choice("llama-3.2-3b", 9)}), [])
    with pytest.raises(InvalidInput, match="not simulated"):
        SimulatedExecutor(load_task("multihop-recorded"), 900)


def test_the_executor_scores_the_examples_it_is_given() -> None:
    task = load_task("simulated-2wiki")
    assert task.simulation is not None
    chosen = [SimulatedExample(HELD_OUT, 7), SimulatedExample(SEARCH, 3)]
    outcome = SimulatedExecutor(task, 900).evaluate(CASE_STUDY, chosen)
    expected = [task.simulation.scores(CASE_STUDY, e.split)["qa"].per_example[e.number] for e in chosen]
    assert list(outcome.stage_scores["qa"].per_example) == expected
    assert len({example.id for example in (*task.search_examples, *task.held_out_examples)}) == 550


def test_a_stopped_session_goes_on_to_the_same_result(tmp_path: Path) -> None:
    class Stopping:
        def session_started(self, record: object, task: object, search: object) -> None: ...

        def trial_finished(self, trial: Trial, search: object) -> None:
            if trial.number == 6:
                signal.raise_signal(signal.SIGINT)  # as Ctrl-C

        def guideline_written(self, guideline: object) -> None: ...

        def judging_started(self) -> None: ...
        def samples_generated(self, *_: object) -> None: ...

    def start(storage: str, observer: Stopping | None = None) -> Result:
        return run("simulated-hotpot", 900, "tpe", 10, 1, storage, batch=4, task_options={"draw": 3}, observer=observer)

    stopped, whole = (f"sqlite:///{tmp_path / name}.db" for name in ("stopped", "whole"))
    with pytest.raises(KeyboardInterrupt):
        start(stopped, Stopping())
    resumed, straight = resume("last", stopped), start(whole)
    assert resumed.simulated
    assert [(t.allocation, t.stage_scores) for t in resumed.trials] == [
        (t.allocation, t.stage_scores) for t in straight.trials
    ]
    assert resumed.evaluations == straight.evaluations


@pytest.mark.slow
def test_the_command_line_says_simulated(tmp_path: Path) -> None:
    arguments = ("search", "simulated-2wiki", "--budget", "900", "--trials", "12", "--set", "draw=2")
    command = [sys.executable, "-c", "from agenttts.cli.app import main; main()", *arguments]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert "Simulated: " in found.stdout
    assert "held-out score" in found.stdout
    assert "500 held-out examples" in found.stdout
    stored = result_to_dict(load_result("last", f"sqlite:///{tmp_path / 'agenttts.db'}"))
    assert stored["simulated"] is True
    assert len(stored["trials"]) == 12
    assert {e["label"] for e in stored["evaluations"]} >= {"best", "smallest model everywhere"}
