from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.llm.answers import proposal_form, proposal_schema, read_proposals
from agent.llm.briefing import flat_spread, history_values
from agent.llm.chat import ChatAnswer, ChatModel, ToolCall
from agent.llm.functions import AgentFunctions
from agent.llm.searcher import REPLACED, LlmSearcher
from agent.search import Search
from agent.searcher import Problem
from storage.transcript import Transcript
from tests.agent.test_searchers import drive, score, space
from tools.errors import AgentttsError, InvalidInput, UnknownName
from tools.flops import FlopsCost
from tools.limits import Cap
from tools.price import PriceCost
from tools.space import Allocation, Choice

SPACE = space(2, max_samples=20)
PROBLEM = Problem(SPACE, FlopsCost(), SPACE.default_budget(FlopsCost()), "demo", "Answer.", {"s0": "F1", "s1": "EM"})


def stage(model: str, samples: Any) -> dict[str, Any]:
    return {"model": model, "samples": samples}


def answer(*pairs: tuple[dict[str, Any], dict[str, Any]]) -> str:
    return json.dumps({"allocations": [{"s0": first, "s1": second} for first, second in pairs]})


GOOD = answer((stage("8b", 3), stage("1b", 4)), (stage("8b", 5), stage("8b", 6)))


class ScriptedChat:
    """Answers proposals from a list, guidelines and consultations with fixed texts."""

    name = "scripted"

    def __init__(self, proposals: Sequence[str], calls: Sequence[ToolCall] = ()) -> None:
        self.proposals = list(proposals)
        self.calls = tuple(calls)
        self.seen: list[str] = []
        self.calls_made: dict[int, Transcript] = {}

    def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> ChatAnswer:
        self.seen.append(messages[-1]["content"])
        if tools:
            calls, self.calls = self.calls, ()
            return ChatAnswer("", calls)
        if schema is None:
            return ChatAnswer("Raise s1.\nBecause it is cheap.", prompt_tokens=10, generation_tokens=5)
        return ChatAnswer(self.proposals.pop(0), prompt_tokens=100, generation_tokens=20)


def searcher_with(chat: ChatModel, problem: Problem = PROBLEM, **options: Any) -> LlmSearcher:
    class Scripted(LlmSearcher):
        def connect(self) -> ChatModel:
            return chat

    return Scripted(problem, 0, **options)


def second_batch(chat: ScriptedChat, count: int = 2, **options: Any) -> Search:
    """A search driven through the initial trials and one batch of the agent's."""
    search = Search(SPACE, None, searcher_with(chat, **options))
    search.searcher.listen(chat.calls_made.__setitem__)
    drive(search, 5, batch=5)
    for trial in search.ask(count):
        search.tell(trial, stage_scores=score(trial.allocation))
    return search


def test_the_search_starts_with_the_initial_trials_and_goes_on_with_the_agents() -> None:
    search = second_batch(ScriptedChat([GOOD]))
    assert [trial.origin for trial in search.trials] == ["llm"] * 7
    assert search.trials[0].reason.startswith("Insight 1")
    assert search.trials[5].allocation == Allocation({"s0": Choice("8b", 3), "s1": Choice("1b", 4)})
    assert search.trials[5].reason == "Raise s1."
    assert search.guidelines[0].text.startswith("Raise s1.")


def test_the_prompt_holds_what_the_agent_must_know() -> None:
    chat = ScriptedChat([GOOD])
    second_batch(chat, functions=False)
    prompt = chat.seen[-1]
    for expected in ("906.0 base passes", "scored by EM", "70b: 70B parameters", "#0 score", "Raise s1.", "exactly 2"):
        assert expected in prompt
    assert proposal_form(SPACE) in prompt


BAD = {
    "over budget": (answer((stage("70b", 20), stage("70b", 20))), "the budget is 906"),
    "unknown model": (answer((stage("7b", 2), stage("1b", 2))), "'7b' is not a candidate"),
    "negative samples": (answer((stage("1b", -4), stage("1b", 2))), "whole number of 1 or more, got -4"),
    "huge samples": (answer((stage("1b", 10**30), stage("1b", 2))), "is not allowed"),
    "no number": ('{"allocations": [{"s0": {"model": "1b", "samples": NaN}}]}', "whole number of 1 or more, got nan"),
    "missing subtask": ('{"allocations": [{"s0": {"model": "1b", "samples": 2}}]}', "has no choice"),
    "more subtasks": (
        json.dumps({"allocations": [{n: stage("1b", 2) for n in ("s0", "s1", "budget")}]}),
        "no such subtask",
    ),
    "tried": (answer((stage("70b", 1), stage("70b", 1))), "was tried in trial"),
    "prose": ("I would raise the budget to 2000.", "not JSON"),
    "nothing": ("", "not JSON"),
    "few": ('{"allocations": []}', "0 allocations were given instead of 2"),
    "deep": ("[" * 5000, "not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_unusable_proposals_go_back_with_the_reason_and_may_be_repaired(name: str) -> None:
    text, reason = BAD[name]
    chat = ScriptedChat([text, GOOD])
    search = second_batch(chat)
    assert reason in chat.seen[-1]
    assert [trial.origin for trial in search.trials[5:]] == ["llm", "llm"]
    propose, repair = (t for t in chat.calls_made.values() if t.purpose in ("propose", "repair"))
    assert not propose.accepted
    assert reason in propose.problem
    assert repair.accepted
    assert repair.messages[-2] == {"role": "assistant", "content": text}


def test_after_two_repairs_the_planner_replaces_what_is_missing() -> None:
    bad = BAD["over budget"][0]
    half = answer((stage("8b", 3), stage("1b", 4)), (stage("70b", 20), stage("70b", 20)))
    chat = ScriptedChat([half, bad, bad, GOOD])
    search = second_batch(chat)
    assert [trial.origin for trial in search.trials[5:]] == ["llm", REPLACED]
    assert "no usable proposal" in search.trials[6].reason
    assert chat.proposals == [GOOD], "it was asked three times, not more"
    assert all(trial.cost <= PROBLEM.budget + 1e-6 for trial in search.trials)


def test_a_silent_agent_still_searches_every_trial() -> None:
    class Silent(ScriptedChat):
        def complete(self, messages: Any, **_: Any) -> ChatAnswer:
            return ChatAnswer("")

    search = drive(Search(SPACE, None, searcher_with(Silent([]))), 25)
    assert len({trial.allocation for trial in search.trials}) == 25
    assert {trial.origin for trial in search.trials[5:]} == {REPLACED}
    assert {guideline.origin for guideline in search.guidelines} == {REPLACED}


def test_functions_are_carried_out_and_their_results_shown() -> None:
    wanted = {"allocation": {"s0": stage("8b", 3), "s1": stage("1b", 4)}}
    calls = [ToolCall("1", "allocation_cost", json.dumps(wanted)), ToolCall("2", "raise_budget", '{"to": 2000}')]
    chat = ScriptedChat([GOOD], calls)
    search = second_batch(chat)
    total = PROBLEM.cost.total(SPACE, search.trials[5].allocation)
    assert f'"total": {round(total, 6)}' in chat.seen[-1]
    assert "no such function" in chat.seen[-1]
    consult = [t for t in chat.calls_made.values() if t.purpose == "consult"]
    assert [call["name"] for call in consult[0].tool_calls] == ["allocation_cost", "raise_budget"]


@given(st.text() | st.text(alphabet='[]{}":,1-eNa '))
def test_no_answer_gets_an_unusable_allocation_in(text: str) -> None:
    assert all(PROBLEM.feasible(allocation) for allocation in read_proposals(text, PROBLEM, 3, {}).accepted)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["s0", "1b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["s0", "s1", "model", "samples", "allocation", "limit", "subtask"]), inner)
    ),
    max_leaves=12,
)


@given(st.sampled_from(["allocation_cost", "check_allocation", "query_history", "fit_scaling_curve", "x"]), JSON)
@pytest.mark.slow
def test_functions_answer_anything_with_json(name: str, arguments: Any) -> None:
    functions = AgentFunctions(PROBLEM, drive(Search(SPACE, None, "planner"), 5).trials)
    json.loads(functions.call(name, json.dumps(arguments)))
    json.loads(functions.call(name, str(arguments)))


def test_functions_tell_the_truth() -> None:
    trials = drive(Search(SPACE, None, "planner"), 15).trials
    functions = AgentFunctions(PROBLEM, trials)

    def call(name: str, **arguments: Any) -> Any:
        return json.loads(functions.call(name, json.dumps(arguments)))

    best = max(trials, key=lambda trial: trial.score or 0)
    checked = call("check_allocation", allocation=best.allocation.to_dict())
    assert checked == {"within_budget": True, "cost": round(best.cost, 6), "tried": True, "score": best.score}
    assert call("query_history", limit=1)[0]["trial"] == best.number
    only = call("query_history", limit=20, subtask="s0", model="8b")
    assert {row["allocation"]["s0"]["model"] for row in only} == {"8b"}
    curve = call("fit_scaling_curve", subtask="s0", model="8b")
    assert curve["points"]
    assert curve["saturates_at"] >= 1
    assert {f["function"]["name"] for f in functions.schemas()} == {
        "allocation_cost",
        "check_allocation",
        "query_history",
        "fit_scaling_curve",
    }


def test_the_schema_admits_exactly_the_space() -> None:
    listed = proposal_schema(space(1, sample_counts=[1, 2, 4]), 3)["properties"]["allocations"]
    assert listed["minItems"] == listed["maxItems"] == 3
    choice = listed["items"]["properties"]["s0"]
    assert choice["properties"]["samples"]["enum"] == [1, 2, 4]
    assert choice["properties"]["model"]["enum"] == ["1b", "8b", "70b"]
    assert choice["additionalProperties"] is False
    anywhere = proposal_schema(SPACE, 1)["properties"]["allocations"]["items"]["properties"]["s0"]
    assert anywhere["properties"]["samples"] == {"type": "integer", "minimum": 1, "maximum": 20}


def decisions(search: Search) -> tuple[list[Any], list[Any]]:
    return [(t.allocation, t.origin, t.reason) for t in search.trials], list(search.guidelines)


def test_equal_transcripts_make_equal_decisions_without_a_call() -> None:
    bad = BAD["prose"][0]
    script = [GOOD, bad, bad, bad]

    def run(chat: ScriptedChat, transcripts: Sequence[Transcript]) -> Search:
        searcher = searcher_with(chat)
        searcher.replay(transcripts)
        searcher.listen(chat.calls_made.__setitem__)
        return drive(Search(SPACE, None, searcher), 9, batch=2)

    chat = ScriptedChat(script)
    first = run(chat, ())
    transcripts = list(chat.calls_made.values())
    silent = ScriptedChat([])
    again = run(silent, transcripts)
    assert decisions(again) == decisions(first)
    assert silent.seen == []
    changed = [*transcripts[:1], Transcript(**{**_fields(transcripts[1]), "messages": ({"role": "user"},)})]
    with pytest.raises(AgentttsError, match=r"transcript 1 .* differs"):
        run(ScriptedChat(script), changed)


def _fields(transcript: Transcript) -> dict[str, Any]:
    return {name: getattr(transcript, name) for name in transcript.__slots__}


def test_a_flat_batch_is_noticed_and_a_long_history_cut() -> None:
    trials = drive(Search(SPACE, None, "planner"), 15).trials
    assert flat_spread(trials) == ""
    best = [max(trials, key=lambda trial: trial.score or 0)] * 3
    assert flat_spread(best) == "0.000"
    assert len(history_values(trials, 4)["rows"]) == 4


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, InvalidInput, "model: the search agent needs one"),
        ({"model": "m"}, InvalidInput, "base_url: give --agent-url"),
        ({"model": "m", "base_url": "ftp://x"}, InvalidInput, "base_url"),
        ({"model": "m", "base_url": "http://h/v1", "temperature": "hot"}, InvalidInput, "temperature"),
        ({"model": "m", "base_url": "http://h/v1", "max_tokens": 0}, InvalidInput, "max_tokens"),
        ({"model": "m", "base_url": "http://h/v1", "modle": 1}, UnknownName, "did you mean 'model'"),
    ],
)
def test_unusable_settings_are_one_clear_line(
    options: dict[str, Any], error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    build: Callable[[], Search] = lambda: Search(SPACE, None, "llm", **options)  # noqa: E731
    with pytest.raises(error, match=message):
        build()


def test_the_agent_is_told_of_caps_and_nothing_beyond_one_is_taken() -> None:
    capped = replace(PROBLEM, caps=(Cap(PriceCost(), 0.001),))
    dear = {"s0": stage("70b", 1), "s1": stage("1b", 1)}
    functions = AgentFunctions(capped, ())
    for name in ("allocation_cost", "check_allocation"):
        found = json.loads(functions.call(name, json.dumps({"allocation": dear})))
        assert found["within_every_cap"] is False
        assert found["caps"][0]["cost"] > found["caps"][0]["cap"] == 0.001
        assert "caps" not in functions_of_the_uncapped(name, dear)
    chat = ScriptedChat([GOOD] * 50)
    drive(Search(SPACE, None, searcher_with(chat, capped, functions=False), caps=capped.caps), 8, batch=2)
    for expected in ("And at most 0.001 dollars for one example", "dollars, 20 cost"):
        assert any(expected in prompt for prompt in chat.seen)
    reading = read_proposals(json.dumps({"allocations": [dear]}), capped, 1, {})
    assert reading.accepted == []
    assert "cap price: the allocation costs" in reading.problems[0]


def functions_of_the_uncapped(name: str, allocation: Mapping[str, Any]) -> Any:
    return json.loads(AgentFunctions(PROBLEM, ()).call(name, json.dumps({"allocation": allocation})))
