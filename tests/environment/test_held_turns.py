"""A turn is kept until its generation is stored, whoever else waits for one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterable, Mapping

from environment.turns import Turns
from storage.sample import Sample


class Claims:
    """Gives every key, as long as a round is let through, and knows which are held."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.rounds = 0
        self.go = threading.Semaphore(0)

    def take(self, keys: Collection[str], release: Collection[str] = ()) -> set[str]:
        assert self.go.acquire(timeout=30)
        self.held -= set(release)
        self.held |= set(keys)
        self.rounds += 1
        return set(keys)


class Nothing:
    """A store without samples."""

    def fetch(self, keys: Iterable[str]) -> Mapping[str, Mapping[int, Sample]]:
        return {}


async def test_a_claim_is_held_for_as_long_as_its_generation_takes() -> None:
    """Another key that is wanted while a claim is being made does not give that one back."""
    claims = Claims()
    turns = Turns(claims, Nothing())
    finish = asyncio.Event()

    async def generate(key: str) -> None:
        async with turns.of(key, 1):
            await finish.wait()

    first = asyncio.create_task(generate("a"))
    await asyncio.sleep(0.05)  # its round is under way
    second = asyncio.create_task(generate("b"))
    await asyncio.sleep(0.05)
    for rounds in (1, 2):
        claims.go.release()
        while claims.rounds < rounds:
            await asyncio.sleep(0.01)
    for _ in range(4):  # whatever is to be given back is given back by now
        claims.go.release()
        await asyncio.sleep(0.1)
    assert claims.held == {"a", "b"}
    finish.set()
    await asyncio.gather(first, second)
    claims.go.release()
    claims.go.release()
    while claims.held:
        await asyncio.sleep(0.01)
    turns.close()
