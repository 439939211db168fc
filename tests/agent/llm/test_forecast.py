"""What the llm searcher's prompts tell of the planner's model."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from agent.belief.belief import Belief
from agent.belief.response import Insights, choice_tables
from agent.llm.extent import Extent
from agent.llm.forecast import Forecast, Told
from agent.recommendation import recommend
from agent.search import Search
from agent.searcher import Problem
from tests.agent.test_llm import GOOD, PROBLEM, SPACE, ScriptedChat, second_batch, stage
from tests.agent.test_searchers import drive
from tools.errors import InvalidInput
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask
from tools.trial import Trial, TrialState

FULL = Extent(40)


def trials_of(space: SearchSpace = SPACE, count: int = 25) -> list[Trial]:
    return list(drive(Search(space, None, "planner"), count).trials)


def told(trials: list[Trial], extent: Extent = FULL, problem: Problem = PROBLEM) -> Told:
    found = Forecast(problem).told(trials, extent)
    assert found is not None
    return found


def allocation_in(line: str) -> Allocation:
    choices = {}
    for part in line.partition("; ")[2].split(", "):
        name, _, choice = part.partition(": ")
        model, _, samples = choice.partition(" x ")
        choices[name] = Choice(model, int(samples))
    return Allocation(choices)


def test_what_is_untried_is_feasible_and_expected_as_the_planner_expects_it() -> None:
    trials = trials_of()
    belief = Belief(PROBLEM, choice_tables(SPACE), Insights(), trials)
    found = told(trials)
    base = recommend(PROBLEM, trials)
    assert base is not None
    assert found.base == f"#{base.number}"
    lines = [(line, allocation_in(line)) for line in [*found.highest, *found.uncertain]]
    lines += [(line, Allocation({**base.allocation, **allocation_in(line)})) for line in found.changes]
    assert len({allocation for _, allocation in lines}) == len(lines) == 9
    tried = {trial.allocation for trial in trials}
    for line, allocation in lines:
        assert PROBLEM.feasible(allocation)
        assert allocation not in tried
        estimate = belief.estimates([allocation])[0]
        assert line.startswith(f"{estimate.mean:.3f}±{estimate.deviation:.1g}, cost ")
    assert all(len(allocation_in(line)) == 1 for line in found.changes)
    assert {name for line in found.changes for name in allocation_in(line)} == {"s0", "s1"}


def test_the_highest_expectations_are_the_highest() -> None:
    trials = trials_of()
    belief = Belief(PROBLEM, choice_tables(SPACE), Insights(), trials)
    known = {trial.allocation for trial in trials}
    every = [a for a in SPACE.allocations(PROBLEM.budget, PROBLEM.cost) if a not in known]
    best = max(every, key=belief.expected)
    found = told(trials)
    base = recommend(PROBLEM, trials)
    assert base is not None
    listed = [allocation_in(line) for line in found.highest]
    listed += [Allocation({**base.allocation, **allocation_in(line)}) for line in found.changes]
    assert best in listed


def test_the_best_tried_are_told_without_their_luck() -> None:
    trials = trials_of()
    base = recommend(PROBLEM, trials)
    assert base is not None
    first = told(trials).tried[0]
    assert first.startswith(f"#{base.number} expected ")
    assert first.endswith(f"scored {base.score:.3f}")


def test_curves_hold_the_peak_and_only_what_fits() -> None:
    found = told(trials_of())
    curves = found.curves
    assert found.staged
    assert [curve.subtask for curve in curves] == ["s0", "s1"]
    assert [curve.after == "" for curve in curves] == [True, False]
    for curve in curves:
        assert len(curve.lines) == 3
        assert all(line.count("(peak)") == 1 for line in curve.lines)
    # The budget is one sample of the largest model in both subtasks: 20 never fit.
    largest = next(line for line in curves[0].lines if line.startswith("70b"))
    assert "x1 " in largest
    assert "x20" not in largest
    assert "x20" in next(line for line in curves[0].lines if line.startswith("1b"))


def test_without_stage_scores_the_curves_are_of_the_final_score() -> None:
    trials = [replace(trial, stage_scores={}) for trial in trials_of()]
    found = told(trials)
    assert not found.staged
    belief = Belief(PROBLEM, choice_tables(SPACE), Insights(), trials)
    base = recommend(PROBLEM, trials)
    assert base is not None
    changed = base.allocation.replace("s0", Choice("1b", 1))
    line = next(line for line in found.curves[0].lines if line.startswith("1b"))
    assert f"x1 {belief.expected(changed):.3f}±" in line


def test_before_the_first_score_there_is_nothing_to_tell() -> None:
    failed = [replace(t, state=TrialState.FAILED, score=None, stage_scores={}) for t in trials_of(count=5)]
    assert Forecast(PROBLEM).told([], FULL) is None
    assert Forecast(PROBLEM).told(failed, FULL) is None


def test_when_everything_was_tried_no_untried_allocation_is_told() -> None:
    small = SearchSpace([Subtask("s0", [Model("1b", 1e9)], prompt_tokens=9, generation_tokens=9)], sample_counts=[1, 2])
    problem = Problem(small, FlopsCost(), 1e9)
    every = list(small.allocations(problem.budget, problem.cost))
    trials = [Trial(i, a, 1.0, TrialState.COMPLETE, score=0.5 + i / 10) for i, a in enumerate(every)]
    found = told(trials, problem=problem)
    assert (found.changes, found.highest, found.uncertain) == ([], [], [])


@pytest.mark.parametrize(("subtasks", "models"), [(1, 20), (3, 8), (8, 3)])
def test_a_large_space_does_not_make_it_longer(subtasks: int, models: int) -> None:
    candidates = [Model(f"model-{number}", (1 + number) * 1e9) for number in range(models)]
    stages = [Subtask(f"s{i}", candidates, prompt_tokens=100, generation_tokens=100) for i in range(subtasks)]
    space = SearchSpace(stages, max_samples=100)
    problem = Problem(space, FlopsCost(), space.default_budget(FlopsCost()))
    search = Search(space, None, "random", 1)
    for asked in search.ask(30):
        search.tell(asked, stage_scores=dict.fromkeys(asked.allocation, 0.5 + 0.01 * (asked.number % 7)))
    found = told(list(search.trials), problem=problem)
    assert sum(len(curves.lines) for curves in found.curves) <= max(18, subtasks)
    assert all(curves.left_out == models - len(curves.lines) for curves in found.curves)
    assert len(found.tried) + len(found.highest) + len(found.uncertain) <= 8
    assert len(found.changes) <= max(3, 2 * subtasks)


def test_a_smaller_extent_tells_less() -> None:
    trials = trials_of()
    full, less = told(trials), told(trials, Extent(40, curves=0, untried=0))
    assert less.curves == []
    assert (less.changes, less.highest, less.uncertain) == ([], [], [])
    assert less.tried == full.tried
    one = told(trials, Extent(40, curves=2, untried=1))
    assert [len(curves.lines) for curves in one.curves] == [1, 1]
    assert {len(value) for key, value in asdict(one).items() if key in ("highest", "uncertain")} == {1}


def test_the_agent_is_told_in_both_prompts() -> None:
    chat = ScriptedChat([GOOD])
    search = second_batch(chat, functions=False)
    guideline, proposal = chat.seen
    first = told(list(search.trials[:5]))
    for line in [*first.tried, *first.changes, *first.highest, *first.curves[0].lines]:
        assert line in guideline
        assert line in proposal


def test_the_forecast_can_be_left_out() -> None:
    chat = ScriptedChat([GOOD])
    second_batch(chat, functions=False, forecast=False)
    assert all("statistical model" not in text for text in chat.seen)
    with pytest.raises(InvalidInput, match="forecast: must be true or false, got 'no'"):
        second_batch(chat, forecast="no")


def test_reading_the_forecast_does_not_change_the_planners_draws() -> None:
    """What the planner replaces is the same whether the agent is told its expectations or not."""
    bad = "no JSON"
    runs = [
        second_batch(ScriptedChat([bad] * 3), functions=False, forecast=forecast).trials for forecast in (True, False)
    ]
    assert [t.allocation for t in runs[0]] == [t.allocation for t in runs[1]]
    assert runs[0][5].allocation != Allocation({"s0": Choice(**stage("8b", 3)), "s1": Choice(**stage("1b", 4))})
