"""kill -9 in the midst of what a search agent is asked: no answered call is made again, and it proposes the same."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from agent.preparation import prepare
from agent.session import Result, load_result, load_transcripts, resume
from agent.setup import setup_of
from storage.archive import Archive
from storage.database import Database
from storage.session import SessionConfig
from storage.transcript import Transcript
from tests.agent.agent_server import completion, diligent, serving
from tests.agent.warm_processes import warm_processes
from tools.spending import SpendingCaps, Spent

TRIALS, BATCH = 9, 2
KILLS = (1, 2, 3, 6)
"""How many calls are answered by each kill: before the agent looks up the history, in that, in a repair, later."""
PATIENCE = 60.0
TOKENS, ANSWER = 10, 100
"""What every answer comes to, and the longest that one may be."""
Body = dict[str, Any]


class Agent:
    """Looks up the history, and proposes nonsense at first, so that its asks take several calls.

    The request after `answers` further ones gets no answer: whoever sent it is to be killed first.
    """

    def __init__(self) -> None:
        self.answers = 1_000
        self.stuck, self.gone = threading.Event(), threading.Event()

    def __call__(self, request: Body) -> tuple[int, Body]:
        if self.answers == 0:
            self.stuck.set()
            self.gone.wait(PATIENCE)
            return 503, {}
        self.answers -= 1
        if "tools" in request and "query_history({" not in request["messages"][-1]["content"]:
            call = {"name": "query_history", "arguments": '{"limit": 2}'}
            return completion("", [{"id": "c", "type": "function", "function": call}])
        if "response_format" in request and all(message["role"] != "assistant" for message in request["messages"]):
            return completion("nonsense")
        return diligent(request)

    def let_answer(self, count: int) -> None:
        self.answers = count
        self.stuck.clear()
        self.gone.clear()


def begin(storage: str, agent_url: str) -> str:
    """A session that no process has run yet; its id."""
    options = {"model": "m", "base_url": agent_url, "key_env": "AGENT_KEY", "max_tokens": ANSWER}
    config = SessionConfig("simulated-2wiki", {}, "llm", options, 0, 0.0, "", {}, TRIALS, BATCH)
    _, search, filled = prepare(config, default_budget=True)
    with Database.open(storage) as database:
        return Archive(database).create_session(filled, setup_of(search.problem)).id


def go_on(storage: str, session: str) -> Result:
    """What each process does."""
    logging.disable(logging.WARNING)
    return resume(session, storage, spending=SpendingCaps(max_tokens=1_000_000))


def decided(storage: str, session: str) -> list[Any]:
    """All that the agent was asked, said and brought about."""
    result = load_result(session, storage)
    calls = [_apart_from_time(call) for call in load_transcripts(session, storage)]
    return [[(t.allocation, t.origin, t.reason, t.score) for t in result.trials], result.guidelines, calls]


def _apart_from_time(call: Transcript) -> tuple[Any, ...]:
    return call.purpose, call.attempt, call.messages, call.answer, call.tool_calls, call.accepted, call.problem


@pytest.mark.slow
def test_no_call_that_was_answered_is_made_again_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_KEY", "k")
    whole, killed = (f"sqlite:///{tmp_path / name}" for name in ("whole.db", "killed.db"))
    context = warm_processes()
    agent = Agent()
    with serving(agent) as server:
        undisturbed = begin(whole, server.url)
        go_on(whole, undisturbed)
        asked = list(server.requests)
        purposes = [call.purpose for call in load_transcripts(undisturbed, whole)]
        assert purposes[:5] == ["guidelines", "consult", "consult", "propose", "repair"]
        server.requests.clear()
        session = begin(killed, server.url)
        for before, count in zip((0, *KILLS), KILLS, strict=False):
            agent.let_answer(count - before)
            process = context.Process(target=go_on, args=(killed, session))
            process.start()
            assert agent.stuck.wait(PATIENCE)
            process.kill()
            process.join()
            agent.gone.set()
        agent.let_answer(1_000)
        go_on(killed, session)
    twice = [asked[count] for count in KILLS]
    expected = list(asked)
    for count, request in reversed(list(zip(KILLS, twice, strict=True))):
        expected.insert(count, request)
    assert server.requests == expected, "what a kill left without an answer is asked again, and nothing else"
    assert decided(killed, session) == decided(whole, undisturbed)
    spending = load_result(session, killed).spending
    lost = spending.spent.tokens - TOKENS * len(asked)
    assert spending.reserved == Spent()
    assert len(KILLS) * ANSWER <= lost <= sum(ANSWER + len(str(request)) for request in twice)
