"""What is checked where an endpoint comes in, and how a server's complaints are read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.backends.endpoint import Endpoint
from environment.backends.endpoint_faults import complains_about, readable, retry_after
from environment.model_spec import parse_models
from tools.errors import InvalidInput

URL = "http://127.0.0.1:8080/v1"


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("base_url", {"base_url": ""}),
        ("base_url", {"base_url": "127.0.0.1:8080"}),
        ("base_url", {"base_url": "file:///etc/passwd"}),
        ("base_url", {"base_url": "http://"}),
        ("base_url", {"base_url": "http://[::1"}),
        ("base_url", {"base_url": "http://host:99999/v1"}),
        ("base_url", {"base_url": "http://user:secret@host/v1"}),
        ("base_url", {"base_url": "http://host/v1?api-key=secret"}),
        ("key_env", {"key_env": "sk-secret"}),
        ("key_env", {"key_env": "sk-secret", "base_url": "nowhere"}),
        ("concurrency", {"concurrency": 0}),
        ("timeout", {"timeout": float("nan")}),
        ("timeout", {"timeout": 0}),
        ("max_attempts", {"max_attempts": True}),
        ("max_choices", {"max_choices": 0}),
    ],
)
def test_an_unusable_endpoint_is_refused_by_field_and_without_its_secrets(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=f"endpoint.{field}") as caught:
        Endpoint(**{"base_url": URL, **changes})
    assert "secret" not in str(caught.value)


def test_a_usable_endpoint() -> None:
    assert Endpoint(f"{URL}/").address == URL


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.text() | st.from_regex(r"\w{3}, \d{2} \w{3} \d{2,5} \d{2}:\d{2}:\d{2} \w{3}"))
def test_any_retry_after_header_is_a_wait_or_nothing(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0


def test_retry_after_reads_numbers_and_dates() -> None:
    assert retry_after(" 12 ") == 12
    assert retry_after("Thu, 01 Jan 2026 00:00:30 GMT", NOW) == 30
    assert retry_after("Thu, 01 Jan 2026 00:00:30 -0000", NOW) == 30
    assert retry_after("-5") is None
    assert retry_after(None) is None


def refusal(status: int, body: Any) -> openai.APIStatusError:
    response = httpx.Response(status, request=httpx.Request("POST", URL))
    return openai.APIStatusError(f"Error code: {status} - {body}", response=response, body=body)


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("n", {"param": "n", "message": "no"}),
        ("n", {"message": "n must be 1 when using greedy sampling, got 8."}),
        ("n", {"message": "Only n=1 is supported"}),
        ("n", {"message": "Only one completion choice is allowed"}),
        ("n", {"message": "Multiple choices are not supported."}),
        ("n", {"detail": [{"loc": ["body", "n"], "msg": "Input should be less than or equal to 1"}]}),
        ("n", {"message": "Unsupported value: 'n' does not support 8 with this model."}),
        ("logprobs", {"message": "logprobs is not supported by this model"}),
        ("seed", {"message": "Unknown field: seed"}),
    ],
)
def test_a_complaint_is_recognised_in_many_words(parameter: str, said: dict[str, Any]) -> None:
    assert complains_about(refusal(400, said), parameter)
    assert complains_about(refusal(422, said), parameter)
    assert not complains_about(refusal(500, said), parameter)


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("n", {"message": "This model's maximum context length is 4096 tokens"}),
        ("n", {"message": "temperature must be in [0, 2]", "param": "temperature"}),
        ("n", {"message": "the question is not answerable"}),
        ("seed", {"message": "seeds", "param": "messages"}),
        ("logprobs", {"message": "bad model"}),
    ],
)
def test_other_complaints_are_not_taken_for_it(parameter: str, said: dict[str, Any]) -> None:
    assert not complains_about(refusal(400, said), parameter)


def test_log_probabilities_may_be_forbidden() -> None:
    said = {"message": "You are not allowed to request logprobs from this model", "type": "invalid_request_error"}
    assert complains_about(refusal(403, said), "logprobs")
    assert not complains_about(refusal(403, {"message": "no seed for this key"}), "seed")
    assert not complains_about(refusal(403, {"message": "The key may not use this model"}), "logprobs")


@given(st.text(), st.text(min_size=4))
def test_a_shown_line_is_short_printable_and_without_the_secret(text: str, secret: str) -> None:
    line = readable(f"{text}{secret}{text}", secret)
    assert len(line) <= 300
    assert line.isprintable()
    assert secret not in line.replace("[key]", "")


def test_a_models_url_is_checked_before_a_session_stores_it() -> None:
    assert parse_models([f"m:3B@{URL}"])[0].endpoint == URL
    with pytest.raises(InvalidInput, match="without a password"):
        parse_models(["m:3B@http://user:secret@host/v1"])
