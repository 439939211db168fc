"""B4: the selection as a function, and the strategy on a stage with tests."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from agenttts.testing.strategies import DigitStage, Drawer, StrategyConformance
from environment.stage import Stage
from environment.strategies.b4 import B4, PRIOR, Prior, best_candidate, log_posteriors
from environment.strategy import StageRun, Strategy
from storage.sample import GenerationRequest
from tests.environment.tested_stage import TestedDigitStage
from tools.errors import InvalidInput

MATRICES = st.integers(1, 5).flatmap(
    lambda tests: st.lists(st.lists(st.booleans(), min_size=tests, max_size=tests), min_size=1, max_size=6)
)
PRIORS = st.builds(Prior, st.floats(1, 1e6), st.floats(1, 1e4))


def matrix(*rows: str) -> list[list[bool]]:
    return [[passed == "1" for passed in row] for row in rows]


def test_the_prior_decides_between_one_program_that_passes_one_more_test_and_a_crowd() -> None:
    passes = matrix("0011", "1110", "1110", "1110", "1111")
    assert best_candidate(passes, Prior(10, 10)) == 1
    assert best_candidate(passes) == 4, "programs and tests are held to be right more often"


def test_a_crowd_that_passes_most_tests_wins() -> None:
    assert best_candidate(matrix("000111", "110000", "111100", "111100", "111100", "011000")) == 2


def test_the_default_prior_is_that_of_the_released_experiments() -> None:
    assert Prior(1e5, 1e3) == PRIOR


@given(MATRICES, PRIORS)
def test_the_best_candidate_is_of_the_most_probable_set(passes: list[list[bool]], prior: Prior) -> None:
    posteriors = log_posteriors(passes, prior)
    chosen = best_candidate(passes, prior)
    assert posteriors[tuple(passes[chosen])] == max(posteriors.values())
    assert passes.index(passes[chosen]) == chosen, "the earliest of its set"
    assert all(math.isfinite(posterior) for posterior in posteriors.values())


@given(MATRICES, PRIORS, st.randoms(use_true_random=False))
def test_the_order_of_candidates_and_tests_does_not_matter(
    passes: list[list[bool]], prior: Prior, random: np.random.Generator
) -> None:
    tests = list(range(len(passes[0])))
    random.shuffle(tests)
    moved = [[row[test] for test in tests] for row in passes]
    random.shuffle(moved)  # type: ignore[arg-type]
    expected = {tuple(row[test] for test in tests): value for row, value in log_posteriors(passes, prior).items()}
    assert log_posteriors(moved, prior) == pytest.approx(expected)


@given(st.integers(1, 6), st.integers(1, 6), PRIORS)
def test_candidates_that_all_agree_are_one_set(candidates: int, tests: int, prior: Prior) -> None:
    passes = [[test % 2 == 0 for test in range(tests)]] * candidates
    assert len(log_posteriors(passes, prior)) == 1
    assert best_candidate(passes, prior) == 0


@pytest.mark.parametrize("rows", [("10", "11", "01", "11"), ("110", "110", "001", "010"), ("1", "0"), ("0011", "1100")])
@pytest.mark.parametrize("prior", [Prior(1, 1), Prior(4, 3), Prior(2.5, 7)])
def test_the_closed_form_is_the_integral_over_the_unknown_rates(rows: tuple[str, ...], prior: Prior) -> None:
    """The model itself: Bernoulli results with rates of Beta(alpha, beta) densities, integrated by quadrature."""
    passes = matrix(*rows)
    posteriors = log_posteriors(passes, prior)
    for right, posterior in posteriors.items():
        set_of = [row for row in passes if tuple(row) == right]
        wrong = [row for row in passes if tuple(row) != right]
        on_right = [row[test] for row in wrong for test in range(len(right)) if right[test]]
        on_wrong = [row[test] for row in wrong for test in range(len(right)) if not right[test]]
        programs = [True] * len(set_of) + [False] * len(wrong)
        product = (
            integral(programs, prior.alpha_xy, 1)
            * integral(right, prior.alpha_xy, 1)
            * integral(on_right, 1, 1)
            * integral(on_wrong, 1, prior.beta_0)
        )
        assert posterior == pytest.approx(math.log(product), abs=1e-6)


def integral(results: Sequence[bool], alpha: float, beta: float) -> float:
    """The unnormalised evidence of Bernoulli results under a Beta(alpha, beta) prior of their rate."""

    def density(rate: float) -> float:
        likelihood = math.prod(rate if result else 1 - rate for result in results)
        return likelihood * rate ** (alpha - 1) * (1 - rate) ** (beta - 1)

    value, _ = quad(density, 0, 1, epsabs=1e-13, epsrel=1e-11)
    return float(value)


def test_it_chooses_right_programs_more_often_than_the_heuristics() -> None:
    """On matrices drawn from its own model, with few right programs and many misleading tests."""
    rng = np.random.default_rng(5)
    right = {"b4": 0, "most passes": 0, "first": 0}
    rounds = 0
    while rounds < 300:
        programs, tests = rng.random(10) < 0.2, rng.random(30) < 0.3
        rate = np.where(tests, np.where(programs[:, None], 1.0, 0.4), np.where(programs[:, None], 0.0, 0.1))
        passes = rng.random((10, 30)) < rate
        if not programs.any() or programs.all():
            continue
        rounds += 1
        right["b4"] += programs[best_candidate(passes.tolist(), Prior(10, 10))]
        right["most passes"] += programs[int(passes.sum(axis=1).argmax())]
        right["first"] += programs[0]
    assert right["b4"] > right["most passes"] > right["first"]
    assert right["b4"] / rounds > 0.8


@pytest.mark.parametrize("passes", [[], [[True], [True, False]]])
def test_a_matrix_with_holes_is_an_error_of_the_caller(passes: list[list[bool]]) -> None:
    with pytest.raises(ValueError, match="at least one candidate"):
        best_candidate(passes)


class TestB4(StrategyConformance):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return B4()

    @pytest.fixture
    def stage(self) -> Stage:
        return TestedDigitStage()

    def drawer(self, programs: str, tests: str) -> Drawer:
        """Writes these programs, and these tests one a response."""

        def text(request: GenerationRequest, index: int) -> str:
            return (tests if "test" in request.messages[-1].content else programs)[index]

        return Drawer(text)

    def test_programs_that_pass_what_many_tests_agree_on_win(self, run_of: Callable[..., StageRun]) -> None:
        draw = self.drawer("45575", "55559")
        assert asyncio.run(B4().run(run_of(5), draw)) == "5"
        assert [count for _, count in draw.drawn] == [5, 5]

    def test_without_tests_the_stages_vote_decides(self, run_of: Callable[..., StageRun]) -> None:
        draw = self.drawer("45575", "?????")
        assert asyncio.run(B4().run(run_of(5), draw)) == "5"

    def test_one_sample_needs_no_tests(self, run_of: Callable[..., StageRun]) -> None:
        draw = self.drawer("4", "5")
        assert asyncio.run(B4().run(run_of(1), draw)) == "4"
        assert [count for _, count in draw.drawn] == [1]

    def test_a_stage_without_tests_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="stage 'digit' strategy: b4 needs a stage that writes and runs tests"):
            B4().require(DigitStage())
