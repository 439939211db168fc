from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from agent.initial_trials import initial_trials
from agent.llm.chat import ChatAnswer, ChatModel
from agent.llm.searcher import LlmSearcher
from agent.optuna_front import FrontNsga2Searcher, FrontTpeSearcher
from agent.optuna_gp import GpSearcher
from agent.optuna_random import RandomSearcher
from agent.optuna_tpe import TpeSearcher
from agent.planner.front_searcher import FrontPlannerSearcher
from agent.planner.searcher import PlannerSearcher
from agent.search import Search
from agent.searcher import SEARCHERS, Problem, Searcher
from agenttts.testing.searchers import SearcherConformance, drive, score, space
from tools.errors import InvalidInput, UnknownName
from tools.flops import FlopsCost
from tools.space import Allocation, Choice, Model, SearchSpace, Subtask
from tools.trial import TrialState

FAST = ["planner", "random", "tpe"]


class TestPlanner(SearcherConformance):
    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        return PlannerSearcher


class TestPlannerFront(SearcherConformance):
    # Many budgets are looked at in each batch, which takes its time.
    trials = 12
    problems = ("one stage", "two stages", "negative costs", "only one fits", "strategies and temperatures")

    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        return FrontPlannerSearcher


class TestTpeFront(SearcherConformance):
    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        return FrontTpeSearcher


class TestNsga2Front(SearcherConformance):
    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        return FrontNsga2Searcher


class TestRandom(SearcherConformance):
    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        return RandomSearcher


class TestTpe(SearcherConformance):
    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        return TpeSearcher


@pytest.mark.skipif(find_spec("torch") is None, reason="the gp searcher needs torch, which is not installed")
class TestGp(SearcherConformance):
    # The process is fitted from the 11th trial on, which takes its time.
    trials = 12
    problems = ("one stage", "three stages", "negative costs", "strategies and temperatures")

    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        return GpSearcher


class StubbornChat:
    """A language model that never proposes anything usable: the planner steps in each time."""

    name = "stubborn"

    def complete(self, messages: Any, *, max_tokens: int, schema: Any = None, tools: Any = ()) -> ChatAnswer:
        return ChatAnswer("" if tools else "no")


class TestLlm(SearcherConformance):
    trials = 14

    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        class Offline(LlmSearcher):
            def connect(self) -> ChatModel:
                return StubbornChat()

        return Offline

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"model": "stubborn"}


@pytest.fixture(params=FAST)
def searcher(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", FAST)
def test_the_searchers_are_found_by_name(name: str) -> None:
    assert SEARCHERS.get(name).name == name


def test_another_seed_makes_another_search() -> None:
    for name in ("random", "tpe"):
        first, other = (drive(Search(space(2), None, name, seed), 30) for seed in (5, 6))
        assert [t.allocation for t in first.trials] != [t.allocation for t in other.trials]


def test_every_third_failure_is_counted(searcher: str) -> None:
    search = drive(Search(space(2), None, searcher, 2), 30, fail=lambda number: number % 3 == 0)
    assert sum(trial.state is TrialState.FAILED for trial in search.trials) == 10


@pytest.mark.parametrize(
    ("name", "counts"),
    # tpe repeats itself for long before the last allocations are drawn at random: a smaller space does.
    [("planner", [1, 2, 4, 8]), ("random", [1, 2, 4, 8]), ("tpe", [1, 8])],
)
def test_a_small_space_is_searched_to_its_end_and_the_best_found(name: str, counts: list[int]) -> None:
    where = space(2, sample_counts=counts)
    search = drive(Search(where, None, name, 3), 10_000)
    budget, cost = search.problem.budget, search.problem.cost
    assert len(search.trials) == where.count(budget, cost)
    values = [list(score(allocation).values())[-1] for allocation in where.allocations(budget, cost)]
    assert search.best is not None
    assert search.best.score == pytest.approx(max(values))


def test_fifty_trials_reach_the_top_of_a_large_space(searcher: str) -> None:
    where = space(2, max_samples=40)
    search = drive(Search(where, None, searcher, 4), 50)
    values = sorted(
        (list(score(a).values())[-1] for a in where.allocations(search.problem.budget, search.problem.cost)),
        reverse=True,
    )
    assert search.best is not None
    assert search.best.score is not None
    share = {"planner": 0.01, "tpe": 0.05, "random": 0.10}[searcher]
    assert search.best.score >= values[int(len(values) * share)]


def test_initial_trials_compare_each_subtasks_models_as_algorithm_1_says() -> None:
    paper = SearchSpace(
        [
            Subtask("retrieval", [Model("7b", 7e9), Model("72b", 72e9)], prompt_tokens=2048, generation_tokens=128),
            Subtask("qa", [Model("3b", 3e9), Model("70b", 70e9)], prompt_tokens=256, generation_tokens=64),
        ]
    )
    proposals = [p.allocation for p in initial_trials(Problem(paper, FlopsCost(), 929.5), "planner")]
    assert Allocation({"retrieval": Choice("72b", 1), "qa": Choice("70b", 1)}) in proposals
    # One sample of the 72B (814 units) would buy 158 of the 7B; the released code stops at 60.
    small = next(p for p in proposals if p["retrieval"].model == "7b")
    assert small["retrieval"].samples == 60
    assert small["qa"] == Choice("70b", 1)
    assert next(p for p in proposals if p["qa"].model == "3b")["qa"].samples <= 60


def test_the_planner_says_why() -> None:
    search = drive(Search(space(2), None, "planner", 0), 30)
    assert all(trial.reason for trial in search.trials)
    assert "preferred" in search.guidelines[-1].text


def test_search_keeps_its_books() -> None:
    search = Search(space(1), None, "random", 0)
    (trial,) = search.ask(1)
    with pytest.raises(InvalidInput, match="untold"):
        search.ask(1)
    with pytest.raises(InvalidInput, match="finite"):
        search.tell(trial, float("nan"))
    with pytest.raises(UnknownName, match="s9"):
        search.tell(trial, 0.5, {"s9": 0.5})
    assert search.tell(trial, 0.5).score == 0.5
    with pytest.raises(InvalidInput, match="not open"):
        search.tell(trial, 0.5)
    frame = search.to_dataframe()
    assert list(frame["score"]) == [0.5]


@pytest.mark.parametrize("budget", [1, float("nan"), True, "many"])
def test_a_budget_that_fits_nothing_is_refused(budget: float) -> None:
    with pytest.raises(InvalidInput, match="budget"):
        Search(space(2), budget)


def test_an_unknown_searcher_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="did you mean 'planner'"):
        Search(space(1), None, "planer")
