"""Coroutines that run together and fail as one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


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
    """Every result in order; the first failure cancels the rest and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]
