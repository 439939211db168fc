"""The adaptive limit: halved by overload, raised by success, in order."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from environment.backends.adaptive_limit import AdaptiveLimit
from tests.environment.fake_clock import settle


async def test_overload_halves_and_a_round_of_successes_raises_by_one() -> None:
    limit = AdaptiveLimit(8)
    assert limit.limit == 8
    limit.overloaded(await limit.acquire())
    assert limit.limit == 4
    for _ in range(5):
        limit.succeeded()
    assert limit.limit == 5


async def test_requests_of_one_burst_cut_once() -> None:
    limit = AdaptiveLimit(8)
    burst = [await limit.acquire() for _ in range(8)]
    for number in burst:
        limit.overloaded(number)
        limit.release()
    assert limit.limit == 4
    limit.overloaded(await limit.acquire())
    assert limit.limit == 2


async def test_it_never_falls_below_one_nor_rises_above_the_most() -> None:
    limit = AdaptiveLimit(3)
    for _ in range(10):
        limit.overloaded(await limit.acquire())
        limit.release()
    assert limit.limit == 1
    for _ in range(100):
        limit.succeeded()
    assert limit.limit == 3


async def test_those_who_wait_go_in_their_order_and_no_more_than_allowed() -> None:
    limit, order = AdaptiveLimit(2), []

    async def request(name: int) -> None:
        await limit.acquire()
        order.append(name)

    tasks = [asyncio.create_task(request(name)) for name in range(5)]
    await settle()
    assert order == [0, 1]
    limit.release()
    await settle()
    assert order == [0, 1, 2]
    limit.release()
    limit.release()
    await settle()
    assert order == [0, 1, 2, 3, 4]
    assert all(task.done() for task in tasks)


@given(st.lists(st.sampled_from(["start", "end", "overload", "cancel"]), max_size=60))
def test_places_are_never_lost_nor_exceeded(steps: list[str]) -> None:
    async def play() -> None:
        limit = AdaptiveLimit(4)
        tasks: list[asyncio.Task[int]] = []
        running: list[asyncio.Task[int]] = []
        for step in steps:
            if step == "start":
                tasks.append(asyncio.create_task(limit.acquire()))
            elif step == "cancel" and tasks:
                tasks.pop().cancel()
            elif step in ("end", "overload") and running:
                task = running.pop(0)
                if step == "end":
                    limit.succeeded()
                else:
                    limit.overloaded(task.result())
                limit.release()
            await settle()
            running += [task for task in tasks if task.done()]
            tasks = [task for task in tasks if not task.done()]
            assert limit.in_flight == len(running) <= 4
        while running or tasks:
            for _ in running:
                limit.release()
            await settle()
            running = [task for task in tasks if task.done()]
            tasks = [task for task in tasks if not task.done()]
        assert limit.in_flight == 0

    asyncio.run(play())
