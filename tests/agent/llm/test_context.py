"""Prompts within the model's context, whether it is given, learnt from a refusal, or unknown."""

from __future__ import annotations

import json
from dataclasses import astuple
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.llm.agent_searcher import PROBLEMS
from agent.llm.chat import OpenAIChat, ToolCall
from agent.llm.context import Context, ContextExceeded, says_too_long, stated_context
from agent.llm.conversation import RESULTS
from agent.llm.extent import extents
from agent.llm.settings import AgentSettings
from agent.search import Search
from agent.session import load_result, load_transcripts, resume, run
from storage.session import SessionState
from tests.agent.agent_server import Answer, completion, diligent, refusal, serving
from tests.agent.test_llm import GOOD, SPACE, ScriptedChat, answer, second_batch, stage
from tests.agent.test_llm_baselines import FIRST, RecordingChat, search_with
from tests.agent.test_searchers import drive
from tools.errors import EndpointError, InvalidInput

REFUSALS = {
    "llama.cpp": "request ({asked} tokens) exceeds the available context size ({held} tokens), try increasing it",
    "openai": "This model's maximum context length is {held} tokens. Your messages resulted in {asked} tokens.",
    "vllm": (
        "'max_tokens' or 'max_completion_tokens' is too large: 8000. This model's maximum context length is {held} "
        "tokens and your request has {asked} input tokens"
    ),
    "without a number": "the prompt is too long for the context window",
}


def tokens(request: dict[str, Any], rate: float) -> int:
    """What a server counts that takes `rate` tokens for a character."""
    declared = len(json.dumps(request["tools"])) if "tools" in request else 0
    return round(rate * (declared + sum(len(message["content"]) for message in request["messages"])))


def holding(held: int, words: str, rate: float = 0.5) -> Answer:
    """A server with a context of `held` tokens for question and answer."""

    def answer(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked = tokens(request, rate)
        if asked + min(request["max_tokens"], held // 4) > held or (request["max_tokens"] > held and "vllm" in words):
            return refusal(400, words.format(asked=asked, held=held))
        status, body = diligent(request)
        body["usage"]["prompt_tokens"] = asked
        return status, body

    return answer


def search(url: str, storage: Path, **options: Any) -> Any:
    options = {"model": "m", "base_url": url, **options}
    return run(searcher="llm", searcher_options=options, trials=20, batch=5, storage=f"sqlite:///{storage}")


@pytest.mark.parametrize("server", ["vllm", "without a number"])
@pytest.mark.slow
def test_a_session_learns_the_context_and_goes_on(server: str, tmp_path: Path) -> None:
    with serving(holding(4000, REFUSALS[server])) as held:
        found = search(held.url, tmp_path / "a.db", functions=False)
        assert found.state is SessionState.COMPLETE
        assert len(found.trials) == 20
    calls = load_transcripts("last", f"sqlite:///{tmp_path / 'a.db'}")
    refused = [call for call in calls if call.context is not None]
    assert 0 < len(refused) <= 4, "it is learnt once, not at every call"
    assert refused[0].context == (0 if server == "without a number" else 4000)
    assert not refused[0].accepted
    assert "context" in refused[0].problem
    assert found.agent.refused >= len(refused)


@pytest.mark.slow
def test_what_was_learnt_is_learnt_again_from_the_transcripts(tmp_path: Path) -> None:
    """A session that is resumed asks the same questions as one that was never stopped."""
    storage = f"sqlite:///{tmp_path / 'a.db'}"
    limited = holding(4000, REFUSALS["openai"])
    with serving(limited) as whole:
        expected = search(whole.url, tmp_path / "whole.db", functions=False)
        asked = len(whole.requests)

    def dies(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return refusal(401, "no") if len(server.requests) == asked - 1 else limited(request)

    with serving(dies) as server:
        with pytest.raises(EndpointError, match="status 401"):
            search(server.url, tmp_path / "a.db", functions=False)
        again = resume("last", storage)
    assert [t.allocation for t in again.trials] == [t.allocation for t in expected.trials]
    assert any(call.context is not None for call in load_transcripts("last", storage))


def test_a_given_context_is_never_exceeded(tmp_path: Path) -> None:
    """Functions, their results, repairs and guidelines included."""
    wanted = [
        {"id": str(i), "type": "function", "function": {"name": "query_history", "arguments": '{"limit": 20}'}}
        for i in range(12)
    ]

    def talkative(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if "tools" in request:
            return completion("", wanted)
        status, body = limited(request)
        if "response_format" not in request:
            body["choices"][0]["message"]["content"] = "More samples. " * 2000
        return status, body

    limited = holding(6000, REFUSALS["openai"], 0.4)
    with serving(talkative) as server:
        found = search(server.url, tmp_path / "a.db", context_tokens=6000)
    assert len(found.trials) == 20
    assert max(tokens(request, 0.4) for request in server.requests) + 1500 <= 6000
    assert {request["max_tokens"] for request in server.requests} == {1500}
    calls = load_transcripts("last", f"sqlite:///{tmp_path / 'a.db'}")
    assert all(call.context is None for call in calls)
    assert any("no room for its result" in call.messages[-1]["content"] for call in calls)


@pytest.mark.parametrize(("name", "context"), [("llm-zs", 1500), ("agenthpo", 2700), ("mlcopilot", 2700)])
def test_the_baselines_keep_within_it_too(name: str, context: int) -> None:
    chat = RecordingChat([FIRST, *["nothing usable"] * 100])
    search = drive(search_with(name, chat, context_tokens=context), 60, batch=5)
    assert len(search.trials) == 60
    assert max(map(len, chat.texts)) * 0.42 < context * 0.75
    assert (name == "llm-zs") == any("proposed these already, and 35 before; none" in text for text in chat.texts)


def test_a_context_too_small_for_the_task_is_refused_before_the_search() -> None:
    with pytest.raises(InvalidInput, match=r"context_tokens: 700 are too few .* about \d+"):
        Search(SPACE, None, "llm", model="m", base_url="http://127.0.0.1:9/v1", context_tokens=700)
    with pytest.raises(InvalidInput, match="context_tokens"):
        Search(SPACE, None, "llm", model="m", base_url="http://127.0.0.1:9/v1", context_tokens=0)


def test_an_endpoint_that_holds_too_little_is_an_endpoint_error(tmp_path: Path) -> None:
    with serving(holding(500, REFUSALS["llama.cpp"])) as server:
        with pytest.raises(EndpointError, match="exceeds the available context size"):
            search(server.url, tmp_path / "a.db")
        assert len(server.requests) <= 5
    assert load_result("last", f"sqlite:///{tmp_path / 'a.db'}").state is SessionState.FAILED


def test_a_refusal_for_length_is_not_taken_for_a_missing_feature() -> None:
    """The words name max_completion_tokens and come with a status that usually passes."""
    words = REFUSALS["vllm"].format(held=4096, asked=5000)
    with serving(lambda _: refusal(500, words)) as server:
        chat = OpenAIChat(AgentSettings(model="m", base_url=server.url), 0)
        with pytest.raises(ContextExceeded) as caught:
            chat.complete([{"role": "user", "content": "hi"}], max_tokens=8000)
        assert len(server.requests) == 1
    assert caught.value.tokens == 4096
    assert "search agent 'm'" in str(caught.value)


@pytest.mark.parametrize(
    ("words", "too_long", "held"),
    [
        (REFUSALS["llama.cpp"].format(asked=4363, held=4096), True, 4096),
        (REFUSALS["openai"].format(asked=9000, held=8192), True, 8192),
        (REFUSALS["without a number"], True, 0),
        ("code context_length_exceeded", True, 0),
        ("response_format is not supported", False, 0),
        ("max_tokens must be at least 1", False, 0),
        ("", False, 0),
    ],
)
def test_servers_words(words: str, too_long: bool, held: int) -> None:
    assert says_too_long(words) is too_long
    assert stated_context(words) == held


def test_every_step_tells_less() -> None:
    steps = list(extents(40))
    for longer, shorter in pairwise(steps):
        assert all(a >= b for a, b in zip(astuple(longer), astuple(shorter), strict=True))
        assert longer != shorter
    assert steps[0].trials == 40
    assert next(extents(3)).trials == 3
    assert min(step.guidelines for step in steps) == 1


def test_the_context_becomes_smaller_with_every_refusal() -> None:
    context = Context(None, 8000)
    question = [{"role": "user", "content": "x" * 10_000}]
    assert context.answer == 8000
    sizes = []
    for stated in (0, 3000, 3000, 9000, 0):
        context.refused(question, (), stated)
        assert context.tokens is not None
        sizes.append(context.tokens)
    assert sizes == sorted(set(sizes), reverse=True)
    assert context.answer == sizes[-1] // 4


def test_tokens_are_learnt_and_a_wrong_count_is_survived() -> None:
    context = Context(1000, 100)
    question = [{"role": "user", "content": "x" * 1000}]
    before = context.estimate(question, ())
    context.counted(question, (), 3)
    assert context.estimate(question, ()) == before
    context.counted(question, (), 800)
    assert context.estimate(question, ()) == 808
    context.counted(question, (), 10**9)
    assert context.estimate(question, ()) <= 1008


def test_what_the_functions_answer_is_bounded() -> None:
    call = ToolCall("1", "query_history", json.dumps({"limit": 20, "note": "x" * 20_000}))
    chat = ScriptedChat([GOOD], [call] * 12)
    second_batch(chat)
    told = chat.seen[-1].partition("Results of the functions you called:")[2]
    assert 0 < len(told) < RESULTS + 1000
    assert "x" * 500 not in told


def test_reasons_for_refusing_are_bounded() -> None:
    """A model that is held to no schema may give hundreds of candidates."""
    many = answer(*[(stage("70b", 20), stage("70b", count)) for count in range(1, 21)] * 10)
    chat = ScriptedChat([many, GOOD])
    second_batch(chat, functions=False)
    refused = chat.seen[-1].partition("These were not accepted:")[2]
    assert refused.count("\n- ") == PROBLEMS + 1
    assert f"- and {200 - PROBLEMS} more" in refused


@pytest.mark.slow
def test_a_long_search_keeps_its_last_prompt_short() -> None:
    chats: dict[int | None, ScriptedChat] = {}
    for context in (None, 2200):
        chats[context] = ScriptedChat(["nothing usable"] * 50)
        drive(second_batch(chats[context], functions=False, context_tokens=context), 60, batch=10)
    lengths = {context: max(len(text) for text in chat.seen) for context, chat in chats.items()}
    assert lengths[2200] * 0.42 + 550 < 2200 < lengths[None] * 0.42
