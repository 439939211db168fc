"""What the OpenAI-compatible backend does when the server fails: what passes, what stays, what is shown."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from environment.backend import collected
from environment.backends.chat_request import draw_seed
from environment.backends.openai_backend import FIRST_WAIT, LONGEST_WAIT
from storage.sample import CONTENT_FILTER, PROMPT_TOO_LONG
from tests.environment.chat_server import ChatServer, Reply, Traits, choice, completion, error, text_of
from tests.environment.openai_sessions import KEY_ENV, Waits, ask, connected, expected_texts
from tools.errors import EndpointError

KEY = "sk-secret-0123456789"
GOOD = completion(choice("never", index=0), usage={"prompt_tokens": 1, "completion_tokens": 1}).content
FAULTS = {
    "429": error("slow down", status=429),
    "500": error("oops", status=500),
    "503 in HTML": Reply(503, "<html>unavailable</html>"),
    "408": Reply(408),
    "reset": Reply(fault="reset"),
    "reset in the body": Reply(content=GOOD, fault="reset in body"),
    "stall": Reply(fault="stall"),
    "dribble": Reply(content=GOOD, fault="dribble"),
    "truncated JSON": Reply(content=str(GOOD)[:-9]),
    "no JSON": Reply(content="I am a teapot"),
    "no UTF-8": Reply(content=b'{"choices": [{"message": {"content": "\xff"}}]}'),
    "another JSON": Reply(content='{"choices": "none"}'),
    "an error with status 200": Reply(content='{"error": {"message": "upstream is down"}}'),
    "empty": Reply(content=""),
    "no choices": Reply(content='{"choices": []}'),
}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(KEY_ENV, KEY)
    return KEY


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_that_passes_is_tried_again_and_leaves_no_sample(name: str) -> None:
    request, waits = ask(), Waits()
    timeout = 1.0 if FAULTS[name].fault in {"stall", "dribble"} else 20.0
    async with connected(ChatServer(script=[FAULTS[name]]), waits, timeout=timeout) as (server, backend):
        (sample,) = await collected(backend, request, [3])
        assert [sample.text] == expected_texts(request, [3])
        assert len(server.bodies) == 2
        assert server.bodies[0] == server.bodies[1], "the same draw, with the same seed"
        assert len(waits) == 1
        assert waits[0] > 0


@pytest.mark.parametrize("name", ["500", "reset", "no JSON", "no choices"])
async def test_a_fault_that_stays_ends_after_max_attempts(name: str) -> None:
    waits = Waits()
    async with connected(ChatServer(script=[FAULTS[name]] * 9), waits, max_attempts=4) as (server, backend):
        with pytest.raises(EndpointError, match="gave up after 4 attempts") as caught:
            await collected(backend, ask(), [0])
        assert len(server.bodies) == 4
        assert len(waits) == 3
        assert server.base_url in str(caught.value)
        assert "'m'" in str(caught.value)


async def test_waits_grow_from_one_attempt_to_the_next() -> None:
    waits = Waits()
    async with connected(ChatServer(script=[FAULTS["500"]] * 9), waits, max_attempts=7) as (_, backend):
        with pytest.raises(EndpointError):
            await collected(backend, ask(), [0])
    assert FIRST_WAIT <= waits[0] <= 2 * FIRST_WAIT
    assert all(later > earlier for earlier, later in pairwise(waits))


async def test_no_wait_is_longer_than_the_longest() -> None:
    waits = Waits()
    async with connected(ChatServer(script=[FAULTS["500"]] * 12), waits, max_attempts=12) as (_, backend):
        with pytest.raises(EndpointError):
            await collected(backend, ask(), [0])
    assert max(waits) == LONGEST_WAIT


async def test_nobody_listens() -> None:
    async with connected(ChatServer(), max_attempts=2) as (server, backend):
        server.stop_listening()
        with pytest.raises(EndpointError, match="the connection failed"):
            await collected(backend, ask(), [0])


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("7", 7, 7),
        ("2.5", 2.5, 2.5),
        ("0", 0, 0),
        ("600", 600, 600),
        ("soon", FIRST_WAIT, 2 * FIRST_WAIT),
        (timedelta(seconds=300), 200, 300),
        (timedelta(days=-1), 0, 0),
    ],
)
async def test_retry_after_is_obeyed(value: str | timedelta, low: float, high: float) -> None:
    waits = Waits()
    if isinstance(value, timedelta):  # a date, counted from the test's own start
        value = format_datetime(datetime.now(UTC) + value, usegmt=True)
    busy = Reply(429, '{"error": {"message": "slow down"}}', headers=(f"Retry-After: {value}",))
    async with connected(ChatServer(script=[busy]), waits) as (_, backend):
        await collected(backend, ask(), [0])
    (wait,) = waits
    assert low <= wait <= high


@pytest.mark.parametrize(
    ("reply", "hint"),
    [
        (error("Incorrect API key provided", status=401, code="invalid_api_key"), KEY_ENV),
        (error("no access", status=403), KEY_ENV),
        (error("The model `m` does not exist", status=404), "model's name"),
        (error("no money", status=429, type="insufficient_quota", code="insufficient_quota"), "quota"),
        (error("not implemented", status=501), "for good"),
        (Reply(429, headers=("Retry-After: 86400",)), "no request for the next 86,400 s"),
    ],
)
async def test_a_permanent_fault_ends_at_once_with_a_hint(reply: Reply, hint: str) -> None:
    waits = Waits()
    async with connected(ChatServer(script=[reply]), waits) as (server, backend):
        with pytest.raises(EndpointError, match=f"status {reply.status}") as caught:
            await collected(backend, ask(), range(3))
        assert hint in str(caught.value)
        assert len(server.bodies) == 1
        assert waits == []


async def test_one_permanent_fault_among_many_requests_is_raised_as_itself() -> None:
    def broken_at_five(body: dict[str, int]) -> Reply:
        return error("gone", status=404) if body["seed"] == draw_seed(ask(), 5) else server.complete(body)

    async with connected(ChatServer(), max_choices=1) as (server, backend):
        server.script = [broken_at_five] * 8
        with pytest.raises(EndpointError, match="gone"):
            await collected(backend, ask(), range(8))


@pytest.mark.parametrize("reply", [choice("half a te", "content_filter"), choice(None), choice(None, "length")])
async def test_a_refused_text_is_drawn_again_with_another_seed(reply: dict[str, object]) -> None:
    request = ask()

    def refuse_the_second(body: dict[str, int]) -> Reply:
        texts = expected_texts(request, range(3))
        return completion(choice(texts[0]), reply, choice(texts[2]), usage={"completion_tokens": 9})

    async with connected(ChatServer(script=[refuse_the_second])) as (server, backend):
        samples = await collected(backend, request, range(3))
        redrawn = text_of(draw_seed(request, 1, redraw=1))
        first, _, third = expected_texts(request, range(3))
        assert [sample.text for sample in samples] == [first, redrawn, third]
        assert server.asked == [3, 1]


async def test_a_text_refused_again_and_again_is_an_empty_sample_that_says_so() -> None:
    filtered = completion(choice("", "content_filter"))
    async with connected(ChatServer(script=[filtered] * 9), max_attempts=3) as (server, backend):
        (sample,) = await collected(backend, ask(), [0])
        assert (sample.text, sample.finish_reason) == ("", CONTENT_FILTER)
        assert len(server.bodies) == 3


TOO_LONG = {
    "OpenAI": error("This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
    "vLLM": error("The prompt is 9 tokens. This model's maximum context length is 8 tokens."),
    "llama.cpp": error("the request exceeds the available context size, try increasing it", code=400),
    "gateway": Reply(413),
}


@pytest.mark.parametrize("name", TOO_LONG)
async def test_a_prompt_that_does_not_fit_is_an_empty_sample_that_says_so(name: str) -> None:
    async with connected(ChatServer(script=[TOO_LONG[name]])) as (server, backend):
        samples = await collected(backend, ask(), range(3))
        assert [(sample.text, sample.finish_reason) for sample in samples] == [("", PROMPT_TOO_LONG)] * 3
        assert len(server.bodies) == 1, "no other try can change it"


@pytest.mark.parametrize("reply", [TOO_LONG["OpenAI"], TOO_LONG["gateway"], completion(choice("", "content_filter"))])
async def test_what_is_never_answered_is_an_error_where_the_endpoint_says_so(reply: Reply) -> None:
    async with connected(ChatServer(script=[reply] * 2), max_attempts=2, unanswered="fail") as (_, backend):
        with pytest.raises(EndpointError, match=r"context length|content filter removed the text, 2 times"):
            await collected(backend, ask(), [0])


async def test_an_empty_text_is_a_sample() -> None:
    async with connected(ChatServer(script=[completion(choice(""))])) as (_, backend):
        (sample,) = await collected(backend, ask(), [0])
        assert (sample.text, sample.finish_reason) == ("", "stop")


REPEATS_KEY = {
    "401": error(f"Incorrect API key provided: {KEY}", status=401),
    "500": error(f"bad header Authorization: Bearer {KEY}", status=500),
    "no JSON": Reply(content=f"debug {KEY}"),
    "cut inside the key": Reply(content=" " * (200 - 10) + KEY),
    "JSON of another form": Reply(content=f'{{"choices": "{KEY}"}}'),
    "answers": completion(choice("fine")),
}


@pytest.mark.parametrize("name", REPEATS_KEY)
async def test_the_key_is_sent_and_never_shown(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = ""
    async with connected(ChatServer(script=[REPEATS_KEY[name]] * 2), max_attempts=2) as (server, backend):
        try:
            await collected(backend, ask(), [0])
        except EndpointError as caught:
            shown = "".join(traceback.format_exception(caught))
        assert server.authorizations[0] == f"Bearer {KEY}"
    for part in (KEY, KEY[:10], KEY[-10:]):
        assert part not in shown
        assert part not in caplog.text
        assert part not in repr(backend.endpoint)


async def test_without_a_key_a_local_server_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_ENV)
    async with connected(ChatServer()) as (_, backend):
        assert len(await collected(backend, ask(), range(2))) == 2


async def test_estimated_tokens_are_announced_once(caplog: pytest.LogCaptureFixture) -> None:
    async with connected(ChatServer(Traits(usage="absent", logprobs=False))) as (_, backend):
        await collected(backend, ask("a"), range(3))
        await collected(backend, ask("b"), range(3))
    assert caplog.text.count("they are estimated") == 1
