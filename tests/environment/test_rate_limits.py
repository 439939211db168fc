"""Rate-limit headers: how they are read, and how long they hold requests back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from environment.backends.rate_limits import RateLimits, reset_seconds
from tests.environment.fake_clock import FakeClock

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("2m59.56s", 179.56),
        ("1h2m3s", 3723),
        ("1d", 86400),
        ("250ms", 0.25),
        ("17us", 17e-6),
        ("12.5", 12.5),
        ("0", 0),
        (str(NOW.timestamp() + 30), 30),
        (str(int(NOW.timestamp()) - 30), 0),
        ((NOW + timedelta(seconds=90)).isoformat(), 90),
        ("2026-01-02T03:05:05Z", 60),
        ("2026-01-02T03:05:05", 60),
        ("2020-01-01T00:00:00Z", 0),
        (None, None),
        ("", None),
        ("soon", None),
        ("1s soon", None),
        ("-5", None),
        ("nan", None),
        ("1e9", None),
        ("9" * 400, None),
    ],
)
def test_every_way_to_write_a_reset(value: str | None, seconds: float | None) -> None:
    found = reset_seconds(value, NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))


async def test_nothing_is_sent_before_retry_after_has_passed() -> None:
    clock = FakeClock()
    limits = RateLimits(clock)
    assert limits.delay(1e9) == 0
    limits.pause(30)
    limits.pause(5)
    assert limits.delay(0) == 30
    await clock.advance(20)
    assert limits.delay(0) == 10
    await clock.advance(10)
    assert limits.delay(0) == 0


async def test_requests_wait_for_the_reset_once_none_is_left() -> None:
    clock = FakeClock()
    limits = RateLimits(clock)
    limits.observe({"x-ratelimit-remaining-requests": "2", "x-ratelimit-reset-requests": "8s"})
    for _ in range(2):
        assert limits.delay(100) == 0
        limits.sent(100)
    assert limits.delay(100) == 8
    await clock.advance(8)
    assert limits.delay(100) == 0


async def test_tokens_count_as_well() -> None:
    clock = FakeClock()
    limits = RateLimits(clock)
    limits.observe({"x-ratelimit-remaining-tokens": "500", "x-ratelimit-reset-tokens": "1m0s"})
    assert limits.delay(600) == 60
    assert limits.delay(400) == 0
    limits.sent(400)
    assert limits.delay(400) == 60
    limits.observe({"x-ratelimit-remaining-tokens": "9000", "x-ratelimit-reset-tokens": "1s"})
    assert limits.delay(400) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-reset-requests": "9s"},
        {"x-ratelimit-remaining-requests": "none", "x-ratelimit-reset-requests": "9s"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "never"},
        {"x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "nan"},
    ],
)
def test_headers_that_say_too_little_hold_nothing_back(headers: dict[str, str]) -> None:
    limits = RateLimits(FakeClock())
    limits.observe(headers)
    assert limits.delay(1e9) == 0
