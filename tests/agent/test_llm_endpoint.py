from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tenacity

from agent.llm.chat import OpenAIChat
from agent.llm.settings import AgentSettings
from agent.session import load_result, load_transcripts, resume, run
from storage.archive import Archive
from storage.session import SessionState
from tests.agent.agent_server import completion, diligent, refusal, serving
from tools.errors import EndpointError, SpendingCapReached
from tools.spending import SpendingCaps, Spent
from tools.trial import Trial

QUESTION = [{"role": "user", "content": "hi"}]
TOOL = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda _: None)
    monkeypatch.setenv("AGENT_KEY", "sk-very-secret")


def chat(url: str) -> OpenAIChat:
    return OpenAIChat(AgentSettings(model="m", base_url=url, key_env="AGENT_KEY", temperature=0.5), seed=3)


def test_an_answer_with_its_calls_and_tokens() -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    with serving(lambda _: completion("hello", calls)) as server:
        answer = chat(server.url).complete(QUESTION, max_tokens=8000, tools=TOOL)
    assert answer.text == "hello"
    assert answer.tool_calls[0].name == "f"
    assert (answer.prompt_tokens, answer.generation_tokens) == (7, 3)
    request = server.requests[0]
    assert request["tools"] == TOOL
    assert (request["temperature"], request["seed"], request["max_tokens"]) == (0.5, 3, 8000)
    assert "response_format" not in request


def test_a_server_without_tools_is_asked_for_them_once() -> None:
    def answer(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return refusal(500, "tools param requires --jinja flag") if "tools" in request else completion("ok")

    with serving(answer) as server:
        agent = chat(server.url)
        assert agent.complete(QUESTION, max_tokens=8000, tools=TOOL).text == ""
        assert agent.complete(QUESTION, max_tokens=8000, tools=TOOL).text == ""
        assert agent.complete(QUESTION, max_tokens=8000).text == "ok"
    assert [("tools" in request) for request in server.requests] == [True, False]


def test_what_a_server_does_not_take_is_left_out_for_good() -> None:
    def answer(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if "max_tokens" in request:
            return refusal(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        if "response_format" in request:
            return refusal(422, "response_format is not supported")
        return completion("{}")

    with serving(answer) as server:
        agent = chat(server.url)
        for _ in range(2):
            assert agent.complete(QUESTION, max_tokens=8000, schema={"type": "object"}).text == "{}"
    assert len(server.requests) == 4
    assert server.requests[-1]["max_completion_tokens"] == 8000


def test_passing_faults_are_tried_again() -> None:
    faults = [refusal(429, "slow down"), refusal(503, "busy"), (200, {"choices": []})]

    def answer(_: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return faults.pop(0) if len(faults) > 1 else completion("ok")

    with serving(answer) as server:
        assert chat(server.url).complete(QUESTION, max_tokens=8000).text == "ok"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "requests"),
    [(401, 1), (400, 1), (503, 8)],
)
def test_a_failing_endpoint_is_named_and_the_key_is_not(status: int, requests: int) -> None:
    with serving(lambda _: refusal(status, "no, sk-very-secret")) as server:
        with pytest.raises(EndpointError, match=rf"127\.0\.0\.1.*'m'.*status {status}") as caught:
            chat(server.url).complete(QUESTION, max_tokens=8000)
        assert len(server.requests) == requests
    assert "secret" not in str(caught.value)


def test_a_dead_endpoint_is_an_endpoint_error() -> None:
    with serving(diligent) as server:
        url = server.url
    with pytest.raises(EndpointError, match="Connection error"):
        chat(url).complete(QUESTION, max_tokens=8000)


def search(url: str, storage: Path) -> Any:
    options = {"model": "m", "base_url": url, "key_env": "AGENT_KEY"}
    return run(searcher="llm", searcher_options=options, trials=14, batch=3, storage=f"sqlite:///{storage}")


@pytest.mark.slow
def test_a_session_with_an_agent_is_kept_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    with serving(diligent) as server:
        whole = search(server.url, tmp_path / "whole.db")
        asked = list(server.requests)
    assert whole.state is SessionState.COMPLETE
    assert len(whole.trials) == 14
    assert {"llm"} <= {trial.origin for trial in whole.trials}
    calls = load_transcripts("last", f"sqlite:///{tmp_path / 'whole.db'}")
    assert len(calls) == len(asked)
    assert whole.agent.calls == len(calls)
    assert whole.agent.prompt_tokens == 7 * len(calls)
    assert all(len(call.prompt) == 64 for call in calls)

    fail_at = len(asked) // 2

    def dies(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return refusal(401, "the key expired") if len(server.requests) == fail_at else diligent(request)

    storage = tmp_path / "broken.db"
    with serving(dies) as server:
        with pytest.raises(EndpointError, match="the key expired"):
            search(server.url, storage)
        assert load_result("last", f"sqlite:///{storage}").state is SessionState.FAILED
        resumed = resume("last", f"sqlite:///{storage}")
        assert [(t.allocation, t.score, t.origin) for t in resumed.trials] == [
            (t.allocation, t.score, t.origin) for t in whole.trials
        ]
        assert resumed.guidelines == whole.guidelines
        again = server.requests[fail_at - 1]
        assert server.requests == [*asked[:fail_at], again, *asked[fail_at:]], "the failed call alone is made again"
    stored = (tmp_path / "broken.db").read_bytes()
    assert b"very-secret" not in stored


def test_the_agents_own_calls_count_under_the_session_s_caps(tmp_path: Path) -> None:
    options: dict[str, Any] = {"key_env": "AGENT_KEY", "model": "m", "prompt_price": 1.0, "generation_price": 2.0}
    url = f"sqlite:///{tmp_path / 'paid.db'}"
    with serving(diligent) as server:
        options["base_url"] = server.url
        options["max_tokens"] = 100

        def search_with(caps: SpendingCaps) -> Any:
            return run(
                "simulated-2wiki", searcher="llm", searcher_options=options, trials=30, storage=url, spending=caps
            )

        whole = search_with(SpendingCaps())
        calls = len(server.requests)
        assert calls > 3
        assert whole.spending.spent == sum([Spent.of(AgentSettings(**options).priced, 0, 7, 3)] * calls, Spent())
        with pytest.raises(SpendingCapReached, match=r"--max-dollars 0\.001"):
            search_with(SpendingCaps(max_dollars=0.001))
        stopped = load_result("last", url)
        assert stopped.state is SessionState.INTERRUPTED
        assert stopped.spending.spent.dollars <= 0.001
        resumed = resume("last", url, spending=SpendingCaps(max_dollars=5.0))
        assert [t.allocation for t in resumed.trials] == [t.allocation for t in whole.trials]
        assert resumed.spending.reserved == Spent()


@pytest.mark.slow
def test_a_session_that_ends_between_a_call_and_its_trials_stores_no_call_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call stored twice would be taken for the answer to the next question when the session is resumed again."""
    with serving(diligent) as server:
        search(server.url, tmp_path / "whole.db")
        whole = load_transcripts("last", f"sqlite:///{tmp_path / 'whole.db'}")
        add_trials, storage = Archive.add_trials, f"sqlite:///{tmp_path / 'broken.db'}"

        def dies(archive: Archive, session: str, trials: Sequence[Trial]) -> None:
            if archive.transcripts(session):
                raise RuntimeError("the power went off")
            add_trials(archive, session, trials)

        monkeypatch.setattr(Archive, "add_trials", dies)
        with pytest.raises(RuntimeError, match="power"):
            search(server.url, tmp_path / "broken.db")
        monkeypatch.undo()
        assert load_transcripts("last", storage)
        resume("last", storage)
    assert [call.messages for call in load_transcripts("last", storage)] == [call.messages for call in whole]


def test_transcripts_survive_the_archive(tmp_path: Path) -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "query_history", "arguments": '{"limit": 3}'}}]
    asked = iter([calls])

    def answer(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if "tools" in request and (wanted := next(asked, None)):
            return completion("", wanted)
        return diligent(request)

    with serving(answer) as server:
        search(server.url, tmp_path / "a.db")
    transcripts = load_transcripts("last", f"sqlite:///{tmp_path / 'a.db'}")
    consulted = next(t for t in transcripts if t.tool_calls)
    assert json.loads(consulted.tool_calls[0]["arguments"]) == {"limit": 3}
    answered = next(t for t in transcripts if "Results of the functions" in t.messages[-1]["content"])
    assert answered.purpose == "propose"
