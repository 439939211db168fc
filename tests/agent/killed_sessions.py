"""Sessions whose processes are killed at seeded moments, checked by the log of the server that they ask."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

import sqlalchemy as sa

from agent.preparation import prepare
from agent.session import Result, load_result, resume, run
from agent.setup import setup_of
from storage.archive import Archive
from storage.database import Database
from storage.schema import ClaimRow, SampleRow, TrialRow, WorkerRow
from storage.session import SessionConfig, SessionState
from storage.workers import Workers
from tests.agent.decided import decided
from tests.agent.warm_processes import warm_processes
from tests.environment.chat_server import Body, Reply
from tests.environment.faulty_recording import behind, few_examples, recording
from tests.environment.loopback_server import in_a_thread
from tests.environment.recorded_server import RecordedServer
from tools.errors import StorageError

TRIALS, BATCH = 4, 2
ATTEMPTS = 10
PATIENCE = 240.0
"""Seconds that a session may take at most."""
Made = tuple[str, int]
"""A generation: its request's key and its index."""


@dataclass
class LoggingServer(RecordedServer):
    """Notes every generation in the order in which they are asked for, and takes a while for each answer."""

    log: list[Made] = field(default_factory=list)

    def complete(self, body: Body) -> Reply:
        before = self.made.copy()
        reply = super().complete(body)
        self.log.extend((self.made - before).elements())
        return reply

    async def _answer(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        await asyncio.sleep(0.02)
        await super()._answer(writer, reply)


@asynccontextmanager
async def _serving() -> AsyncIterator[LoggingServer]:
    async with LoggingServer(source=recording()) as server:
        yield server


def begin(storage: str, seed: int) -> str:
    """A stored session of the recorded benchmark that no process has run yet; its id."""
    task = few_examples()
    config = SessionConfig(task.name, {}, "planner", {}, seed, 0.0, "", {}, TRIALS, BATCH)
    _, search, filled = prepare(config, task, default_budget=True)
    with Database.open(storage) as database:
        return Archive(database).create_session(filled, setup_of(search.problem)).id


def take_part(url: str, storage: str, session: str) -> None:
    """What each process does: it resumes the session."""
    logging.disable(logging.WARNING)
    resume(session, storage, task=behind(url))


def undisturbed(seed: int) -> Result:
    """The same search where nobody is killed, answered from the recording."""
    return run(few_examples(), trials=TRIALS, seed=seed, batch=BATCH, storage="sqlite://")


@dataclass
class Kill:
    """What a kill met: the log's length and what was stored by then, and what the victim was generating."""

    position: int
    stored: set[Made]
    under_way: set[str]
    complete: dict[int, Any]


@dataclass
class Killer:
    """Keeps so many processes at work on a session, and kills one of them at random moments."""

    server: LoggingServer
    storage: str
    archive: Archive
    session: str
    workers: int
    random: random.Random
    kills: list[Kill] = field(default_factory=list)
    processes: list[ForkServerProcess] = field(default_factory=list)

    def run(self, kills: int) -> None:
        """Kills so often, unless the session is complete before, and then lets it come to its end."""
        context = warm_processes()
        end = time.monotonic() + PATIENCE
        try:
            while len(self.kills) < kills and not self._complete():
                self._employ(context)
                self._wait_for_a_moment()
                self._kill(self.random.choice(self.processes))
                assert time.monotonic() < end, "the session makes no progress"
            while not self._complete():
                self._employ(context)
                time.sleep(0.05)
                assert time.monotonic() < end, "the session comes to no end"
            for process in self.processes:
                process.join(PATIENCE)
                assert process.exitcode == 0
        finally:
            for process in self.processes:
                process.kill()
                process.join()

    def _employ(self, context: ForkServerContext) -> None:
        for process in self.processes:
            assert process.is_alive() or process.exitcode == 0, "a process failed"
        while len(self.processes) < self.workers:
            process = context.Process(target=take_part, args=(self.server.base_url, self.storage, self.session))
            process.start()
            self.processes.append(process)

    def _wait_for_a_moment(self) -> None:
        """Until the server was asked a few times more, or for a while: not all that a search does asks the server."""
        asked, more = len(self.server.bodies), self.random.randint(1, 12)
        end = time.monotonic() + (self.random.uniform(0.0, 1.0) if self.random.random() < 0.25 else 10.0)
        while len(self.server.bodies) < asked + more and time.monotonic() < end:
            time.sleep(0.002)
            if not any(process.is_alive() for process in self.processes):
                return
        time.sleep(self.random.uniform(0.0, 0.03))

    def _kill(self, victim: ForkServerProcess) -> None:
        if not victim.is_alive() or victim.pid is None:
            return
        under_way, stored = self._stopped(victim.pid)
        position = len(self.server.log)
        victim.kill()
        victim.join()
        self.processes.remove(victim)
        with Database.open(self.storage) as database, database.reading() as session:
            done = sa.select(TrialRow.number, TrialRow.updated).where(TrialRow.state == "complete")
            complete = {row.number: row.updated for row in session.execute(done)}
        self.kills.append(Kill(position, stored, under_way, complete))

    def _stopped(self, victim: int) -> tuple[set[str], set[Made]]:
        """Stops a process: what it is at and what is stored then, read before others take over and store more."""
        for _ in range(ATTEMPTS):
            os.kill(victim, signal.SIGSTOP)
            try:
                with Database.open(self.storage) as database, database.reading() as session:
                    claimed = sa.select(ClaimRow.key).join(WorkerRow, WorkerRow.id == ClaimRow.worker)
                    under_way = set(session.scalars(claimed.where(WorkerRow.pid == victim)))
                    rows = session.execute(sa.select(SampleRow.key, SampleRow.number))
                    return under_way, {(key, number) for key, number in rows}
            except StorageError:
                # It was stopped while it held a lock that nobody can wait for; killed, it would hold none.
                os.kill(victim, signal.SIGCONT)
                time.sleep(0.01)
        raise AssertionError("the database cannot be read while the victim is stopped")

    def _complete(self) -> bool:
        return self.archive.state(self.session) is SessionState.COMPLETE

    def check(self, expected: Result) -> None:
        """Nothing was lost, nothing paid twice but what was under way at a kill, and the result is the expected one."""
        result = load_result(self.session, self.storage)
        assert decided(result) == decided(expected)
        for kill in self.kills:
            assert not kill.stored & set(self.server.log[kill.position :]), "what is stored is never asked for again"
        again = Counter({made: times - 1 for made, times in self.server.made.items() if times > 1})
        lost = Counter(made for number in range(len(self.kills)) for made in again if self._may_be_lost(number, made))
        assert not again - lost, "made twice, though no kill met it under way"
        with Database.open(self.storage) as database, database.reading() as session:
            rows = session.execute(sa.select(TrialRow.number, TrialRow.updated, TrialRow.state))
            ended = {number: (updated, state) for number, updated, state in rows}
            assert Workers(database).of(self.session) == [], "every worker has left or is known to be dead"
        for kill in self.kills:
            assert all(ended[number] == (updated, "complete") for number, updated in kill.complete.items())

    def _may_be_lost(self, number: int, made: Made) -> bool:
        """Whether a kill may have met a generation under way: claimed, or asked for since the one before.

        A process stops a little after it is told to, so that claims alone do not say what it was at.
        """
        kill = self.kills[number]
        before = self.kills[number - 1].position if number else 0
        asked = made in self.server.log[before : kill.position]
        return made not in kill.stored and (made[0] in kill.under_way or asked)


@contextmanager
def killed_session(storage: str, seed: int, kills: int, workers: int = 1) -> Iterator[Killer]:
    """A session that was killed so often and came to its end all the same."""
    session = begin(storage, seed)
    with in_a_thread(_serving()) as server, Database.open(storage) as database:
        killer = Killer(server, storage, Archive(database), session, workers, random.Random(seed))
        killer.run(kills)
        yield killer
