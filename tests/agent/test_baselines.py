from __future__ import annotations

from importlib.util import find_spec

import optuna
import pytest

from agent.candidates import Candidates
from agent.feasible import FeasibleSpace
from agent.grid import GridSearcher
from agent.optuna_cmaes import CmaEsSearcher
from agent.optuna_nsga2 import Nsga2Searcher
from agent.optuna_parameters import BoxParameters, Parameters, TreeParameters
from agent.search import Search
from agent.searcher import SEARCHERS, Searcher
from agent.smac_searcher import SmacSearcher
from agenttts.testing.searchers import SearcherConformance, drive, problem_of, space
from tools.errors import InvalidInput
from tools.flops import FlopsCost
from tools.space import Allocation, Choice

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="gp needs torch, which is not installed")
needs_smac = pytest.mark.skipif(find_spec("smac") is None, reason="smac needs SMAC3, which is not installed")
NEW = {"cmaes": CmaEsSearcher, "nsga2": Nsga2Searcher, "grid": GridSearcher, "smac": SmacSearcher}


@pytest.mark.parametrize("name", NEW)
def test_they_are_found_by_name(name: str) -> None:
    assert SEARCHERS.get(name) is NEW[name]
    assert NEW[name].name == name


class TestCmaEs(SearcherConformance):
    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        return CmaEsSearcher


class TestNsga2(SearcherConformance):
    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        return Nsga2Searcher


class TestGrid(SearcherConformance):
    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        return GridSearcher


@needs_smac
class TestSmac(SearcherConformance):
    # The forest is asked from the 11th trial on, which takes its time.
    trials = 12
    problems = ("two stages", "only one fits", "strategies and temperatures")

    @pytest.fixture
    def searcher(self) -> type[Searcher]:
        return SmacSearcher


PARAMETERS = [TreeParameters, BoxParameters]


@pytest.mark.parametrize("kind", PARAMETERS)
def test_parameters_say_every_allocation_and_are_read_back(kind: type[Parameters]) -> None:
    problem = problem_of(space(2, sample_counts=[1, 2, 3, 5, 8, 40]), FlopsCost())
    parameters = kind(FeasibleSpace(problem))
    for allocation in problem.space.allocations(problem.budget, problem.cost):
        assert parameters.suggest(optuna.trial.FixedTrial(parameters.of(allocation))) == allocation


@pytest.mark.parametrize("kind", PARAMETERS)
@pytest.mark.parametrize("seed", range(3))
def test_parameters_mean_what_fits_whatever_they_are(kind: type[Parameters], seed: int) -> None:
    problem = problem_of(space(3, max_samples=100), FlopsCost(), 60.0)
    parameters = kind(FeasibleSpace(problem))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    assert all(problem.feasible(parameters.suggest(study.ask())) for _ in range(50))


def repeats(search: Search) -> int:
    return sum("repeated" in trial.reason for trial in search.trials)


@needs_torch
def test_the_process_chooses_among_the_untried_and_never_repeats() -> None:
    search = drive(Search(space(2, sample_counts=[1, 2, 4, 8, 16]), None, "gp", 1), 30)
    reasons = [trial.reason for trial in search.trials]
    assert all("fewer than 10 scores" in reason for reason in reasons[:10])
    assert set(reasons[10:]) == {"suggested by the sampler"}


@needs_torch
@needs_smac
@pytest.mark.parametrize("name", ["gp", "smac"])
def test_a_surrogate_goes_where_the_scores_are(name: str) -> None:
    """Better on average than the random allocations it starts from."""
    search = drive(Search(space(2, max_samples=40), None, name, 1), 30)
    first, later = ([t.score or 0.0 for t in part] for part in (search.trials[:10], search.trials[10:]))
    assert sum(later) / len(later) > sum(first) / len(first)


@needs_torch
def test_the_process_goes_on_when_every_candidate_was_tried() -> None:
    where = space(1, sample_counts=[1, 2, 4, 8])
    search = drive(Search(where, None, "gp", 1), 100)
    assert len(search.trials) == where.count(search.problem.budget, search.problem.cost)


def test_a_baseline_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (("agent.optuna_gp", "gp"), ("agent.smac_searcher", "smac")):
        monkeypatch.setattr(f"{module}.find_spec", lambda _: None)
        with pytest.raises(InvalidInput, match=rf"pip install \"agenttts\[{name}\]\""):
            Search(space(1), None, name)


@pytest.mark.parametrize("name", ["tpe", "tpe-front"])
def test_estimators_that_are_kept_suggest_what_new_ones_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def proposed() -> list[tuple[Allocation, str]]:
        search = drive(
            Search(space(1, sample_counts=[1, 2, 3, 4, 6, 8, 12]), None, name, 3),
            20,
            fail=lambda number: number % 7 == 3,
        )
        return [(trial.allocation, trial.reason) for trial in search.trials]

    kept = proposed()
    assert any("repeated" in reason for _, reason in kept)
    monkeypatch.setattr("agent.optuna_tpe.KeepingTpeSampler", optuna.samplers.TPESampler)
    assert proposed() == kept


@pytest.mark.parametrize("name", ["cmaes", "nsga2"])
def test_a_generation_learns_from_the_last(name: str) -> None:
    """Later batches score better on average than the first, random one, and are seldom random themselves."""
    search = drive(Search(space(2, max_samples=60), None, name, 3), 60)
    first, last = ([t.score or 0.0 for t in part] for part in (search.trials[:10], search.trials[-20:]))
    assert sum(last) / len(last) > sum(first) / len(first)
    assert repeats(search) < 10


def test_the_grid_compares_the_models_before_the_numbers() -> None:
    where = space(2, max_samples=100)
    search = drive(Search(where, None, "grid", 0), 50)
    models = [tuple(choice.model for choice in trial.allocation.values()) for trial in search.trials]
    coarse = sum("grid of 1 sample" in trial.reason for trial in search.trials)
    assert len(set(models[:coarse])) == coarse
    assert {trial.reason for trial in search.trials[:coarse]} == {"on the grid of 1 sample counts a model"}
    assert {first for first, _ in models[:coarse]} == {last for _, last in models[:coarse]} == {"1b", "8b", "70b"}
    samples = {trial.allocation["s0"].samples for trial in search.trials if trial.allocation["s0"].model == "1b"}
    assert min(samples) <= 4
    assert max(samples) >= 25


def test_the_grid_is_shuffled_by_the_seed_and_ends_with_everything() -> None:
    where = space(2, sample_counts=[1, 2, 4, 8])
    one, other = (drive(Search(where, None, "grid", seed), 1000) for seed in (1, 2))
    assert [t.allocation for t in one.trials] != [t.allocation for t in other.trials]
    assert {t.allocation for t in one.trials} == {t.allocation for t in other.trials}
    assert len(one.trials) == where.count(one.problem.budget, one.problem.cost)


def test_candidates_fit_are_untried_and_hold_every_change_of_the_best() -> None:
    import numpy as np

    problem = problem_of(space(2, max_samples=100), FlopsCost())
    candidates = Candidates(FeasibleSpace(problem), np.random.default_rng(0))
    best = Allocation({"s0": Choice("1b", 9), "s1": Choice("1b", 9)})
    found = candidates.untried({best}, best)
    assert best not in found
    assert best.replace("s1", Choice("8b", 11)) in found
    assert len(set(found)) == len(found) > 1000
    assert all(problem.feasible(allocation) for allocation in found)
    assert candidates.untried({*found, best}, best) == []
