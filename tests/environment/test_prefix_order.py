"""The order of waiting requests: alike prompts one after the other, in one place; nobody left behind."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environment.backend import collected
from environment.backends.adaptive_limit import AdaptiveLimit
from environment.backends.prefix_order import LONGEST, PATIENCE, WORTH, Ask, PrefixOrder, ask_of, shared
from storage.sample import GenerationRequest, Message, Race, SamplingParameters
from tests.environment.chat_server import Body, ChatServer, Reply
from tests.environment.openai_sessions import ask, connected

SYSTEM = "Answer the question. " * 20


def document(name: str) -> str:
    """A text much longer than what is worth an exception."""
    return f"{name} is what this is about. " * WORTH


def asked(order: PrefixOrder[str], prompts: Sequence[str]) -> None:
    for prompt in prompts:
        order.add(prompt, prompt)


def in_places(prompts: Sequence[str], places: int) -> list[list[str]]:
    """Which prompts each place gets, one after the other, where they take turns."""
    order: PrefixOrder[str] = PrefixOrder()
    asked(order, prompts)
    got: list[list[str]] = [[] for _ in range(places)]
    turn = 0
    while order:
        mine = got[turn % places]
        if mine:
            order.ended(mine[-1])
        mine.append(order.take(mine[-1] if mine else "", choose=len(order) > 1).prompt)
        turn += 1
    return got


def switches(prompts: Sequence[str], places: int) -> int:
    """How often a place gets a prompt about another document than the one before it."""
    about = [[prompt.removeprefix(SYSTEM)[:2] for prompt in some] for some in in_places(prompts, places)]
    return sum(one != other for some in about for one, other in zip(["", *some], some, strict=False))


def test_each_place_keeps_to_its_document_however_they_are_mixed() -> None:
    for system in ("", SYSTEM):
        some = [f"{system}{document(f'{name}{name}')}{number}" for name in "abcdef" for number in range(6)]
        for mixed in (some, random.Random(0).sample(some, len(some))):
            assert switches(mixed, 2) <= 7, "one of the last two places may help the other"


def test_prompts_that_begin_alike_by_little_go_by_age() -> None:
    some = [f"{SYSTEM}{number * 7919 % 31} is the number" for number in range(30)]
    assert [one for row in zip(*in_places(some, 3), strict=True) for one in row] == some


def test_a_prompt_in_the_same_words_goes_where_it_was() -> None:
    some = [document("a"), document("a"), document("b"), document("b")]
    assert in_places(some, 2) == [some[:2], some[2:]]


def test_where_all_begin_alike_they_run_side_by_side() -> None:
    some = [f"{document('a')}{number}" for number in range(6)]
    assert {one for row in in_places(some, 3) for one in row} == set(some)
    assert all(len(row) == 2 for row in in_places(some, 3))


def test_the_oldest_goes_after_so_many_at_the_latest() -> None:
    order: PrefixOrder[str] = PrefixOrder()
    order.add("other", "other")
    asked(order, [f"{document('a')}{number}" for number in range(3 * PATIENCE)])
    held, gone = document("a"), []
    while "other" not in gone:
        gone.append(order.take(held, choose=True).item)
        order.ended(gone[-1])
    assert len(gone) == PATIENCE + 1


texts = st.text("ab", max_size=12).map(lambda name: "".join(letter * WORTH for letter in name))


@given(st.lists(texts, min_size=1, max_size=20), st.integers(1, 5))
def test_every_request_goes_once(prompts: list[str], places: int) -> None:
    assert sorted(one for row in in_places(prompts, places) for one in row) == sorted(prompts)


@given(st.lists(texts, min_size=1, max_size=60), st.data())
def test_nobody_is_overtaken_more_often_than_patience_allows(prompts: list[str], data: st.DataObject) -> None:
    order: PrefixOrder[int] = PrefixOrder()
    for number, prompt in enumerate(prompts):
        order.add(prompt, number)
    gone: list[int] = []
    held = data.draw(texts)
    while order:
        taken = order.take(held, choose=True)
        order.ended(taken.prompt)
        held = taken.prompt
        gone.append(taken.item)
    assert all(place <= (number + 1) * (PATIENCE + 1) for place, number in enumerate(gone))


@given(texts, texts)
def test_what_two_share_is_what_both_begin_with(one: str, other: str) -> None:
    alike = [first == second for first, second in zip(one, other, strict=False)]
    assert shared(one, other) == shared(other, one) == [*alike, False].index(False)


Steps = st.lists(
    st.tuples(
        st.sampled_from(["come", "end", "leave", "overload"]),
        st.builds(Ask, texts, st.integers(1, 3)),
        st.integers(0, 9),
    ),
    max_size=60,
)


@given(Steps, st.integers(1, 4), st.none() | st.integers(1, 6))
def test_no_place_is_free_while_somebody_waits(steps: list[tuple[str, Ask, int]], most: int, slots: int | None) -> None:
    async def play() -> None:
        limit = AdaptiveLimit(most)
        limit.slots = slots
        tasks: dict[asyncio.Task[int], Ask] = {}

        async def settle() -> None:
            for _ in range(4):
                await asyncio.sleep(0)
            there = [ask for task, ask in tasks.items() if task.done()]
            assert limit.in_flight == len(there)
            full = len(there) >= limit.limit or sum(ask.choices for ask in there) >= (slots or 99)
            assert full or len(there) == len(tasks)
            assert slots is None or sum(ask.choices for ask in there) < slots + 3

        for step, asked_for, which in steps:
            under_way = [task for task in tasks if task.done()]
            waiting = [task for task in tasks if not task.done()]
            if step == "come":
                tasks[asyncio.create_task(limit.acquire(asked_for))] = asked_for
            elif step == "leave" and waiting:
                task = waiting[which % len(waiting)]
                del tasks[task]
                task.cancel()
            elif step in ("end", "overload") and under_way:
                task = under_way[which % len(under_way)]
                limit.overloaded(task.result()) if step == "overload" else limit.succeeded()
                limit.release(tasks.pop(task))
            if which:
                await settle()
        await settle()
        while tasks:
            task = next(task for task in tasks if task.done())
            limit.release(tasks.pop(task))
            await settle()
        assert limit.in_flight == 0

    asyncio.run(play())


class Slotted(ChatServer):
    """Says that it is llama.cpp and has two slots."""

    total_slots: object = 2

    def _listing(self, path: str) -> Reply:
        return (
            Reply(content=json.dumps({"total_slots": self.total_slots})) if path == "/props" else super()._listing(path)
        )

    def complete(self, body: Body) -> Reply:
        return replace(super().complete(body), headers=("Server: llama.cpp",))


async def asked_of(server: ChatServer, samples: int = 1) -> str:
    """Which documents a server was asked about, five times each by mixed requests; the first answer comes before."""
    some = [ask(f"{document(name)}{number}") for number in range(5) for name in "abcd"]
    async with connected(server, concurrency=8) as (_, backend):
        await collected(backend, ask("first"), [0])
        await asyncio.sleep(0.2)
        await asyncio.gather(*(collected(backend, request, range(samples)) for request in some))
    return "".join(body["messages"][0]["content"][0] for body in server.bodies[1:])


async def test_a_slot_gets_one_document_after_the_other_and_none_waits_in_the_server() -> None:
    server = Slotted(latency=0.01)
    assert await asked_of(server, samples=2) == "aaaaabbbbbcccccddddd"
    assert server.most_in_flight == 1
    server = Slotted(latency=0.01)
    documents = await asked_of(server)
    assert server.most_in_flight == 2
    assert set(documents[:10]) == set("ab")


@pytest.mark.parametrize("slots", [0, "many", None])
async def test_where_the_slots_are_not_known_requests_go_by_age(slots: object) -> None:
    server = Slotted(latency=0.01)
    server.total_slots = slots
    assert await asked_of(server) == "abcd" * 5
    assert server.most_in_flight == 8
    assert await asked_of(ChatServer()) == "abcd" * 5


async def test_workers_share_the_slots() -> None:
    async with connected(Slotted(), concurrency=8) as (_, backend):
        backend.share(0, 2)
        await collected(backend, ask("first"), [0])
        await asyncio.sleep(0.2)
        assert backend.gate.limit.slots == 1


def test_a_beginning_tells_models_and_roles_apart_and_is_bounded() -> None:
    request = ask("x" * 10 * LONGEST)
    assert len(ask_of(request, 1).prompt) == LONGEST
    assert ask_of(ask("one"), 1) != ask_of(ask("two"), 1)
    other = GenerationRequest("m2", request.messages, request.sampling)
    assert shared(ask_of(request, 1).prompt, ask_of(other, 1).prompt) < 2


def test_starters_of_a_race_are_not_held_apart() -> None:
    sampling = SamplingParameters(temperature=0.9, max_tokens=16)
    race = GenerationRequest("m", (Message("user", document("a")),), sampling, race=Race(4, 1))
    assert ask_of(race, 4) == Ask("", 4)
