"""Coroutines that run together and fail as one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
TOGETHER = 64
"""How many start in one tick of the event loop."""


async def first_to_finish(coroutines: Iterable[Coroutine[Any, Any, T]], count: int) -> list[T]:
    """The first `count` results in the order of finishing; the others are cancelled.

    A failure before that cancels all and is raised.
    """
    tasks = [asyncio.get_running_loop().create_task(coroutine) for coroutine in coroutines]
    finished: list[T] = []
    try:
        for task in asyncio.as_completed(tasks):
            finished.append(await task)
            if len(finished) == count:
                break
    finally:
        for running in tasks:
            running.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return finished


async def side_by_side(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Every result in order; the first failure cancels the rest and is raised as itself.

    Of many, the first have a head start, so that what they wait for begins while others are still prepared.
    """
    tasks: list[asyncio.Task[T]] = []
    try:
        async with asyncio.TaskGroup() as group:
            for place, coroutine in enumerate(coroutines, 1):
                tasks.append(group.create_task(coroutine))
                if place % TOGETHER == 0:
                    await asyncio.sleep(0)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]
