"""How the OpenAI-compatible backend asks for many samples, and what it learns about a server."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import pytest

from environment.backend import collected
from environment.backends.chat_request import SEEDS, draw_seed
from tests.environment.chat_server import ChatServer, Reply, Traits, choice, completion, text_of, tokens_of
from tests.environment.openai_sessions import ask, connected, expected_texts

SERVERS = {
    "any number": Traits(),
    "caps at 4": Traits(most_choices=4),
    "refuses n, naming it": Traits(most_choices=1, beyond="param"),
    "refuses n in prose": Traits(most_choices=1, beyond="prose"),
    "refuses n in other words": Traits(most_choices=1, beyond="words"),
    "silently gives one": Traits(most_choices=1),
    "at most 3, naming it": Traits(most_choices=3, beyond="param"),
    "does not number choices": Traits(indexed=False),
    "no logprobs": Traits(logprobs=False),
    "max_completion_tokens": Traits(limit="max_completion_tokens"),
    "refuses everything optional": Traits(
        most_choices=1, beyond="param", logprobs=False, limit="max_completion_tokens", usage="absent"
    ),
}


@pytest.mark.parametrize("name", SERVERS)
async def test_each_index_is_generated_once_in_order_with_its_own_seed(name: str) -> None:
    request = ask()
    async with connected(ChatServer(SERVERS[name])) as (server, backend):
        samples = await collected(backend, request, range(11))
        assert [sample.text for sample in samples] == expected_texts(request, range(11))
        assert sorted(server.drawn) == [draw_seed(request, index) for index in range(11)]


@pytest.mark.parametrize("name", SERVERS)
async def test_what_a_server_takes_is_found_out_once(name: str) -> None:
    traits = SERVERS[name]
    async with connected(ChatServer(traits)) as (server, backend):
        await collected(backend, ask("first"), range(11))
        learnt = len(server.bodies)
        await collected(backend, ask("second"), range(11))
        later = server.bodies[learnt:]
        assert len(later) == math.ceil(11 / choices_found(11, traits))
        assert all(body.get("n", 1) <= traits.most_choices for body in later)


def choices_found(asked: int, traits: Traits) -> int:
    """The most choices that the backend finds a server to give: a refusal is answered by halving."""
    while traits.beyond != "cap" and asked > traits.most_choices:
        asked //= 2
    return min(asked, traits.most_choices)


async def test_any_indices_come_in_the_order_asked_for() -> None:
    request = ask()
    indices = [9, 2, 3, 4, 0]
    async with connected(ChatServer()) as (server, backend):
        samples = await collected(backend, request, indices)
        assert [sample.text for sample in samples] == expected_texts(request, indices)
        assert sorted(server.asked) == [1, 1, 3], "a server that numbers seeds upward must not skip an index"
        assert await collected(backend, request, []) == []


async def test_max_choices_caps_a_request() -> None:
    async with connected(ChatServer(), max_choices=2) as (server, backend):
        await collected(backend, ask(), range(5))
        assert sorted(server.asked) == [1, 2, 2]


async def test_a_short_answer_does_not_unlearn_a_longer_one() -> None:
    request = ask()
    one = completion(choice(text_of(draw_seed(request, 0)), index=0), usage={"completion_tokens": 2})
    async with connected(ChatServer()) as (server, backend):
        await collected(backend, ask("other"), range(6))
        server.script.append(one)
        samples = await collected(backend, request, range(6))
        assert [sample.text for sample in samples] == expected_texts(request, range(6))
        assert server.asked == [6, 6, 5]


async def test_choices_numbered_out_of_range_are_taken_as_they_stand() -> None:
    from_one = completion(choice("a", index=1), choice("b", index=2), usage={"completion_tokens": 4})
    all_zero = completion(choice("c", index=0), choice("d", index=0), usage={"completion_tokens": 4})
    surplus = completion(choice("e", index=0), choice("f", index=1), choice("g", index=2))
    async with connected(ChatServer(script=[from_one, all_zero, surplus])) as (server, backend):
        for texts in (["a", "b"], ["c", "d"], ["e", "f"]):
            assert [sample.text for sample in await collected(backend, ask(), range(2))] == texts
        assert len(server.bodies) == 3


async def test_choices_may_come_in_any_order() -> None:
    shuffled = completion(choice("b", index=1), choice("a", index=0))
    async with connected(ChatServer(script=[shuffled])) as (_, backend):
        assert [sample.text for sample in await collected(backend, ask(), range(2))] == ["a", "b"]


async def test_a_server_without_seeds_is_asked_without_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    async with connected(ChatServer(Traits(seed=False))) as (server, backend):
        assert len(await collected(backend, ask(), range(3))) == 3
        assert ["seed" in body for body in server.bodies] == [True, False]
        assert "takes no seed" in caplog.text


async def test_greedy_requests_need_no_seed() -> None:
    async with connected(ChatServer()) as (server, backend):
        await collected(backend, ask(temperature=0.0), [0])
        assert "seed" not in server.bodies[0]


def test_seeds_fit_31_bits_and_rise_with_the_index() -> None:
    first = draw_seed(ask(), 0)
    assert first < SEEDS
    assert [draw_seed(ask(), index) - first for index in range(200)] == list(range(200))
    assert draw_seed(ask(), 0, redraw=1) != first
    assert draw_seed(ask("other"), 0) != first


async def test_no_more_requests_are_under_way_than_allowed() -> None:
    async with connected(ChatServer(Traits(most_choices=1)), concurrency=3, max_choices=1) as (server, backend):
        server.hold.clear()
        drawing = [asyncio.create_task(collected(backend, ask(str(number)), range(4))) for number in range(5)]
        while server.in_flight < 3:
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        server.hold.set()
        await asyncio.gather(*drawing)
        assert server.most_in_flight == 3
        assert len(server.drawn) == 20


async def test_the_body_says_what_the_request_says() -> None:
    async with connected(ChatServer()) as (server, backend):
        await collected(backend, ask("why?", temperature=0.7, max_tokens=9), range(2))
        (body,) = server.bodies
        assert body["model"] == "m"
        assert body["messages"] == [{"role": "user", "content": "why?"}]
        assert (body["temperature"], body["top_p"], body["max_tokens"], body["n"]) == (0.7, 1.0, 9, 2)


@pytest.mark.parametrize("logprobs", [True, False])
@pytest.mark.parametrize("usage", ["sum", "first", "absent", "nonsense", "zero"])
async def test_the_prompt_is_paid_once_a_request_and_every_generation_counts(usage: str, logprobs: bool) -> None:
    request = ask(max_tokens=100)
    async with connected(ChatServer(Traits(usage=usage, logprobs=logprobs))) as (_, backend):
        samples = await collected(backend, request, range(6))
        true = [tokens_of(text) for text in expected_texts(request, range(6))]
        if usage in {"sum", "first", "zero"}:
            assert [sample.prompt_tokens for sample in samples] == [7, 0, 0, 0, 0, 0]
        if logprobs:
            assert [sample.generation_tokens for sample in samples] == true
            assert backend.token_accounting.counted == 6
        elif usage == "sum":
            assert sum(sample.generation_tokens for sample in samples) == sum(true)
            assert backend.token_accounting.estimated == 6
        else:
            assert all(0 < sample.generation_tokens <= 100 for sample in samples)
            assert backend.token_accounting.estimated == 6


@pytest.mark.parametrize("most_choices", [1, 3, 1000])
async def test_samples_know_their_mean_log_probability(most_choices: int) -> None:
    request = ask()
    async with connected(ChatServer(Traits(most_choices=most_choices))) as (_, backend):
        samples = await collected(backend, request, range(4))
        true = [-0.125 * (tokens_of(text) + 1) for text in expected_texts(request, range(4))]
        assert [sample.mean_logprob for sample in samples] == true
    async with connected(ChatServer(Traits(most_choices=most_choices, logprobs=False))) as (_, backend):
        assert {sample.mean_logprob for sample in await collected(backend, request, range(4))} == {None}


@pytest.mark.parametrize(
    "content",
    [[], None, [{}], ["?"], [{"logprob": None}], [{"logprob": "-1"}], [{"logprob": -1}, {}], [{"logprob": math.inf}]],
)
async def test_a_list_without_a_number_for_each_token_tells_no_log_probability(content: object) -> None:
    reply = completion(choice("yes", logprobs={"content": content}), usage={"completion_tokens": 1})
    async with connected(ChatServer(script=[reply])) as (_, backend):
        (sample,) = await collected(backend, ask(), [0])
        assert (sample.text, sample.mean_logprob) == ("yes", None)


async def test_one_choice_has_the_reported_tokens() -> None:
    request = ask()
    async with connected(ChatServer(), max_choices=1) as (_, backend):
        samples = await collected(backend, request, range(3))
        assert [s.generation_tokens for s in samples] == [tokens_of(t) for t in expected_texts(request, range(3))]
        assert [s.prompt_tokens for s in samples] == [7, 7, 7], "each request read the prompt again"


async def test_models_of_one_endpoint_are_learnt_apart() -> None:
    def refuse_n_of_m(body: dict[str, object]) -> Reply:
        return Reply(400, '{"error": {"message": "n", "param": "n"}}')

    async with connected(ChatServer(script=[refuse_n_of_m])) as (server, backend):
        await collected(backend, ask(), range(2))
        await collected(backend, replace(ask(), model="other"), range(2))
        assert server.asked == [2, 1, 1, 2]
