"""A generation that two workers want at once is produced once, and one whose worker is gone by the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from agenttts.testing.storages import CONFIG, ask
from environment.backend import Receiver
from environment.sampler import Sampler
from storage.archive import Archive
from storage.claims import Claims
from storage.database import Database
from storage.sample import GenerationRequest, Sample
from storage.samples import SampleStore
from storage.workers import Workers

MODEL = "m"


class Counting:
    """Takes a while, and counts what it makes."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.go_on = asyncio.Event()

    async def generate(self, request: GenerationRequest, indices: Sequence[int], receiver: Receiver) -> None:
        self.made += indices
        await self.go_on.wait()
        await receiver.deliver({index: Sample(f"{index}") for index in indices})

    async def aclose(self) -> None: ...


async def test_two_workers_share_a_generation_and_each_makes_what_the_other_does_not_want(tmp_path: Path) -> None:
    with Database.open(tmp_path / "turns.db") as database:
        session, workers = Archive(database).create_session(CONFIG).id, Workers(database)
        backend, store = Counting(), SampleStore(database)
        one, two = (
            Sampler(store, {MODEL: backend}, claims=Claims(database, workers.register(session).id)) for _ in range(2)
        )
        fewer = asyncio.ensure_future(one.draw(ask("q", MODEL), 2, one.ledger()))
        while not backend.made:
            await asyncio.sleep(0.01)
        more = asyncio.ensure_future(two.draw(ask("q", MODEL), 3, two.ledger()))
        await asyncio.sleep(0.5)
        assert backend.made == [0, 1], "the other one waits"
        backend.go_on.set()
        assert [sample.text for sample in await more] == ["0", "1", "2"]
        assert len(await fewer) == 2
        assert backend.made == [0, 1, 2]


async def test_a_claim_whose_worker_left_is_taken_over(tmp_path: Path) -> None:
    with Database.open(tmp_path / "turns.db") as database:
        session, workers = Archive(database).create_session(CONFIG).id, Workers(database)
        gone = workers.register(session)
        assert Claims(database, gone.id).take({ask("q", MODEL).key})
        backend = Counting()
        backend.go_on.set()
        sampler = Sampler(
            SampleStore(database), {MODEL: backend}, claims=Claims(database, workers.register(session).id)
        )
        draw = asyncio.ensure_future(sampler.draw(ask("q", MODEL), 1, sampler.ledger()))
        await asyncio.sleep(0.3)
        assert backend.made == []
        workers.leave(gone)
        assert len(await draw) == 1
        await sampler.finish(RuntimeError("done"))
