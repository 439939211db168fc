from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.curves import ScalingCurve, fit_curve
from tools.errors import InvalidInput
from tools.statistics import wilson_interval


def test_a_planted_curve_is_recovered() -> None:
    planted = ScalingCurve(0.4, 0.3, 0.2, 0.0)
    counts = [1, 2, 4, 8, 16, 32]
    fitted = fit_curve(counts, [planted.score(count) for count in counts])
    assert fitted.single == pytest.approx(0.4, abs=0.01)
    assert fitted.gain == pytest.approx(0.3, abs=0.02)
    assert fitted.score(64) == pytest.approx(planted.score(64), abs=0.01)


def test_saturation_is_where_the_rest_is_within_the_tolerance() -> None:
    curve = ScalingCurve(0.4, 0.3, 0.2, 0.0)
    samples = curve.saturation(0.005)
    assert curve.single + curve.gain - curve.score(samples) <= 0.005
    assert curve.single + curve.gain - curve.score(samples - 1) > 0.005
    assert ScalingCurve(0.4, -0.1, 0.2, 0.0).saturation() == 1


def test_one_count_gives_a_flat_curve_and_none_an_error() -> None:
    assert fit_curve([4, 4], [0.2, 0.4]).score(100) == pytest.approx(0.3)
    with pytest.raises(InvalidInput):
        fit_curve([], [])


def test_wilson_agrees_with_the_textbook() -> None:
    # 8 successes of 10 at 95%: 0.4902 to 0.9433.
    interval = wilson_interval(0.8, 10)
    assert interval.low == pytest.approx(0.4902, abs=1e-4)
    assert interval.high == pytest.approx(0.9433, abs=1e-4)


@given(st.floats(0, 1), st.integers(1, 1000))
def test_an_interval_holds_its_mean_and_has_width(mean: float, examples: int) -> None:
    interval = wilson_interval(mean, examples)
    assert 0 <= interval.low <= mean + 1e-12
    assert mean - 1e-12 <= interval.high <= 1
    assert interval.high - interval.low > 0
