from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, wilcoxon

from agent.comparison.resampling import arrival_quantile, bootstrap_bands, bootstrap_mean, holm, signed_rank

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)
scores = st.lists(st.floats(-1, 1), min_size=2, max_size=20)


def test_holm_on_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(p_values)
def test_holm_lies_between_the_raw_and_the_bonferroni_values_and_keeps_their_order(values: list[float]) -> None:
    adjusted = holm(values)
    for raw, corrected in zip(values, adjusted, strict=True):
        assert raw <= corrected <= min(1.0, len(values) * raw) + 1e-12
    by_raw = [adjusted[i] for i in sorted(range(len(values)), key=values.__getitem__)]
    assert by_raw == sorted(by_raw)


@settings(max_examples=30, deadline=None)
@given(scores, st.floats(-1, 1))
def test_the_bootstrap_moves_with_its_values(values: list[float], shift: float) -> None:
    here, there = bootstrap_mean(values), bootstrap_mean([value + shift for value in values])
    assert here.low is not None
    assert here.high is not None
    assert here.low - 1e-9 <= here.mean <= here.high + 1e-9
    assert there.mean == pytest.approx(here.mean + shift)
    assert there.low == pytest.approx(here.low + shift)
    assert there.high == pytest.approx(here.high + shift)


def test_the_bootstrap_interval_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.2, 400)
    estimate = bootstrap_mean(values.tolist())
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(400), rel=0.06)


def test_one_value_has_no_interval_and_equal_values_one_without_width() -> None:
    assert bootstrap_mean([0.4]).low is None
    same = bootstrap_mean([0.4] * 5)
    assert (same.low, same.high) == (pytest.approx(0.4), pytest.approx(0.4))


def test_strata_keep_their_weight() -> None:
    values = [0.1] * 10 + [0.9] * 10
    together = bootstrap_mean(values)
    apart = bootstrap_mean(values, ["a"] * 10 + ["b"] * 10)
    assert together.low is not None
    assert together.low < 0.45
    assert (apart.mean, apart.low, apart.high) == (pytest.approx(0.5), pytest.approx(0.5), pytest.approx(0.5))


def test_bands_treat_every_column_as_the_mean_does() -> None:
    rows = np.random.default_rng(1).random((8, 3))
    mean, low, high = bootstrap_bands(rows)
    for column in range(3):
        single = bootstrap_mean(rows[:, column].tolist())
        assert (mean[column], low[column], high[column]) == pytest.approx((single.mean, single.low, single.high))


def test_the_signed_rank_test_is_wilcoxons() -> None:
    values = [0.3, -0.1, 0.25, 0.4, 0.05, -0.02, 0.17, 0.6]
    assert signed_rank(values) == pytest.approx(float(wilcoxon(values).pvalue))
    assert signed_rank([0.1] * 5) == pytest.approx(0.0625)  # the smallest that five pairs can give
    assert signed_rank([0.0] * 9) == 1.0
    many = np.random.default_rng(2).normal(0.1, 1, 300)
    assert signed_rank(many.tolist()) == pytest.approx(float(wilcoxon(many, method="asymptotic").pvalue), rel=0.02)
    assert signed_rank([1e-16, -1e-15, 0.0]) == 1.0, "rounding is no difference"


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=7))
def test_the_signed_rank_test_counts_all_signs_where_values_tie(values: list[int]) -> None:
    ranks = np.where(np.array(values) == 0, 0.0, rankdata(np.abs(values)))
    sums = [float(np.dot(signs, ranks)) for signs in product([0, 1], repeat=len(values))]
    seen = float(ranks[np.array(values) > 0].sum())
    below, above = np.mean(np.array(sums) <= seen), np.mean(np.array(sums) >= seen)
    assert signed_rank([float(value) for value in values]) == pytest.approx(min(1.0, 2 * min(below, above)))


@given(scores)
def test_the_signed_rank_test_does_not_know_which_side_is_which(values: list[float]) -> None:
    assert 0 <= signed_rank(values) <= 1
    assert signed_rank(values) == pytest.approx(signed_rank([-value for value in values]))


def test_times_of_runs_that_never_arrived_are_late_not_missing() -> None:
    assert arrival_quantile([3, None, 1, None]) == 3
    assert arrival_quantile([3, None, None]) is None
    assert arrival_quantile([5, None, None, None], 0.25) == 5
    assert arrival_quantile([None]) is None


@given(st.lists(st.one_of(st.none(), st.integers(1, 50)), min_size=1, max_size=30), st.sampled_from([0.25, 0.5, 0.75]))
def test_arrival_quantiles_are_those_of_the_times_with_never_as_infinity(times: list[int | None], share: float) -> None:
    numbers = [math.inf if time is None else float(time) for time in times]
    expected = sorted(numbers)[math.ceil(share * len(numbers)) - 1]
    assert arrival_quantile(times, share) == (None if math.isinf(expected) else expected)
