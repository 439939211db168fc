"""A streamed answer put together again, whatever the server cuts it into."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.backends.chat_stream import whole_answer


def chunk(content: str | None = None, finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish_reason, **fields}]}


@given(st.lists(st.text(), max_size=6), st.sampled_from(["stop", "length"]))
def test_the_pieces_make_up_the_text(pieces: list[str], finish_reason: str) -> None:
    listed = [{"logprob": -float(place)} for place in range(len(pieces))]
    chunks = [chunk(piece, logprobs={"content": [token]}) for piece, token in zip(pieces, listed, strict=True)]
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    answer = whole_answer([chunk(), *chunks, chunk(None, finish_reason), {"choices": [], "usage": usage}])
    (choice,) = answer.choices
    assert choice.text == "".join(pieces)
    assert choice.finish_reason == finish_reason
    assert choice.refusal is None
    assert choice.mean_logprob == (-(len(pieces) - 1) / 2 if pieces else None)
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 4)


def test_an_answer_that_ends_at_once_is_empty_and_other_ends_without_a_text_are_refusals() -> None:
    assert whole_answer([chunk(None, "stop")]).choices[0].refusal is None
    assert whole_answer([chunk(None, "tool_calls")]).choices[0].refusal
    assert whole_answer([chunk("half a", "content_filter")]).choices[0].refusal


@pytest.mark.parametrize("usage", ["much", {"prompt_tokens": "many"}, [], None])
def test_nonsense_is_no_usage(usage: object) -> None:
    answer = whole_answer([chunk("a", "stop"), {"choices": [], "usage": usage}])
    assert answer.choices[0].text == "a"
    assert answer.usage is None


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [{}],
        [chunk("half")],
        [{"choices": [], "usage": {"prompt_tokens": 1}}],
        [5],
        ["text"],
        [None],
        [chunk("a", "stop"), {"choices": 7}],
        [{"choices": [{"delta": 3, "finish_reason": "stop"}]}],
        [{"choices": [{"delta": {"content": ["a"]}, "finish_reason": "stop"}]}],
    ],
)
def test_what_is_no_whole_answer_is_refused(chunks: list[Any]) -> None:
    with pytest.raises(ValueError):
        whole_answer(chunks)
