"""Token accounting: what is reported is kept exactly, what is not is estimated within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.backends.chat_answer import AnswerUsage, ChatAnswer, Choice, TokenMeter
from tests.environment.chat_server import choice

MAX_TOKENS = 40
texts = st.text(max_size=300)
reasons = st.sampled_from(["stop", "length"])
answers = st.lists(st.tuples(texts, reasons), min_size=1, max_size=8)


def choices_of(parts: list[tuple[str, str]]) -> list[Choice]:
    return [Choice.model_validate(choice(text, reason)) for text, reason in parts]


def listed(text: str, tokens: int, finish_reason: str = "stop") -> Choice:
    return Choice.model_validate(choice(text, finish_reason, logprobs={"content": [{}] * tokens}))


@given(st.lists(answers, min_size=1, max_size=5))
def test_without_a_report_every_count_is_estimated_within_the_limit(history: list[list[tuple[str, str]]]) -> None:
    meter = TokenMeter()
    for parts in history:
        counts = meter.count(choices_of(parts), None, MAX_TOKENS)
        assert len(counts) == len(parts)
        assert all(0 < count.tokens <= MAX_TOKENS for count in counts)
        assert [count.estimated for count in counts] == [reason != "length" for _, reason in parts]
        assert all(c.tokens == MAX_TOKENS for c, (_, r) in zip(counts, parts, strict=True) if r == "length")


@given(st.lists(st.tuples(answers, st.integers(0, 500)), min_size=1, max_size=5))
def test_a_report_above_one_choices_limit_is_a_sum_and_stays_exact(
    history: list[tuple[list[tuple[str, str]], int]],
) -> None:
    meter = TokenMeter()
    for parts, beyond in history:
        reported = MAX_TOKENS + 1 + beyond
        counts = meter.count(choices_of(parts), AnswerUsage(completion_tokens=reported), MAX_TOKENS)
        assert sum(count.tokens for count in counts) == reported
        assert all(count.tokens >= 0 for count in counts)


@given(answers, st.none() | st.integers(0, 2000))
def test_whatever_is_reported_no_count_is_negative_and_none_is_above_both_limit_and_report(
    parts: list[tuple[str, str]], reported: int | None
) -> None:
    counts = TokenMeter().count(choices_of(parts), AnswerUsage(completion_tokens=reported), MAX_TOKENS)
    assert len(counts) == len(parts)
    assert all(0 <= count.tokens <= max(MAX_TOKENS, reported or 0) for count in counts)
    assert sum(count.tokens for count in counts) <= max(len(parts) * MAX_TOKENS, reported or 0)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=50), st.integers(1, MAX_TOKENS)), min_size=2, max_size=8))
def test_listed_tokens_are_exact_and_what_a_sum_holds_beyond_is_shared(parts: list[tuple[str, int]]) -> None:
    choices = [listed(text, tokens) for text, tokens in parts]
    true = [tokens for _, tokens in parts]
    for reported in (None, true[0], sum(true)):
        expected = sum(true) if reported is None else max(sum(true), reported)
        counts = TokenMeter().count(choices, AnswerUsage(completion_tokens=reported), MAX_TOKENS)
        assert sum(count.tokens for count in counts) == expected
        assert not any(count.estimated for count in counts)
    billed = TokenMeter().count(choices, AnswerUsage(completion_tokens=sum(true) + len(true)), MAX_TOKENS)
    assert [count.tokens for count in billed] == [tokens + 1 for tokens in true]


@pytest.mark.parametrize(("reported", "slack"), [(48, 0), (12, 1)])
def test_a_calibrated_meter_tells_a_sum_from_the_first_choices_count(reported: int, slack: int) -> None:
    parts = [("a rather ordinary sentence of ten words, with a comma", "stop")]
    meter = TokenMeter()
    for _ in range(20):
        meter.count(choices_of(parts), AnswerUsage(completion_tokens=12), 100)
    counts = meter.count(choices_of(parts * 4), AnswerUsage(completion_tokens=reported), 100)
    assert all(abs(count.tokens - 12) <= slack for count in counts)


def test_a_text_beyond_ascii_cut_by_its_length_has_the_limit() -> None:
    assert listed("日本", 2, "length").counted_tokens(16) == 16
    assert listed("ab", 2, "length").counted_tokens(16) == 2
    assert listed("日本", 2).counted_tokens(16) == 2
    assert listed("text", 0).counted_tokens(16) is None, "a text has tokens: the list is not to be believed"


@pytest.mark.parametrize("reported", [None, 0])
def test_one_choice_without_a_usable_report_is_estimated(reported: int | None) -> None:
    (count,) = TokenMeter().count(
        choices_of([("four words of text", "stop")]), AnswerUsage(completion_tokens=reported), 9
    )
    assert count.estimated
    assert 0 < count.tokens <= 9


def test_no_choices_have_no_counts() -> None:
    assert TokenMeter().count([], AnswerUsage(completion_tokens=9), 9) == []


@pytest.mark.parametrize("usage", [{"completion_tokens": -1}, {"prompt_tokens": "many"}, "free", [], 3])
def test_nonsense_beside_good_texts_is_no_usage(usage: object) -> None:
    assert ChatAnswer.model_validate({"choices": [choice("a")], "usage": usage}).usage is None
