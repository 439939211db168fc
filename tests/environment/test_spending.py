"""Spending as requests meet it: they wait for room, are refused for good, and are charged for what may be billed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from environment.backends.endpoint import Endpoint
from environment.backends.openai_backend import OpenAIBackend
from environment.sampler import Sampler
from environment.spending import Spending
from storage.database import Database
from storage.fault import Fault, FaultKind
from storage.samples import SampleStore
from tests.environment.chat_server import Body, ChatServer, Reply, error
from tests.environment.fake_clock import settle
from tests.environment.openai_sessions import ask, connected
from tools.errors import EndpointError, SpendingCapReached
from tools.space import Model
from tools.spending import SpendingCaps, SpendingLedger, Spent

MODELS = {"m": Model("m", 1e9, prompt_price=1.0, generation_price=2.0)}
ONE = Spent(1, 10)


@pytest.fixture
def store() -> Iterator[SampleStore]:
    with Database.open("sqlite://") as database:
        yield SampleStore(database)


async def test_a_request_waits_for_those_under_way_and_goes_when_they_came_to_less() -> None:
    spending = Spending(SpendingLedger(SpendingCaps(max_tokens=15)))
    order: list[str] = []
    release = asyncio.Event()

    async def first() -> None:
        async with spending.holding(ONE):
            order.append("first")
            await release.wait()
            spending.account.charge(Spent(1, 5))

    async def second() -> None:
        async with spending.holding(ONE):
            order.append("second")
            spending.account.charge(ONE)

    tasks = [asyncio.create_task(first()), asyncio.create_task(second())]
    await settle()
    assert order == ["first"]
    release.set()
    await asyncio.gather(*tasks)
    assert order == ["first", "second"]
    assert spending.account.spent == Spent(2, 15)
    assert spending.account.reserved == Spent()


async def test_what_never_fits_is_refused_with_the_cap_and_so_is_all_that_follows() -> None:
    spending = Spending(SpendingLedger(SpendingCaps(max_generations=5), Spent(generations=3)))
    with pytest.raises(SpendingCapReached, match="--max-generations 5 leaves no room"):
        async with spending.holding(Spent(generations=3)):
            pytest.fail("nothing may be sent")
    with pytest.raises(SpendingCapReached):
        spending.require_open()
    with pytest.raises(SpendingCapReached):
        async with spending.holding(Spent(generations=1)):
            pytest.fail("nothing may be sent")


async def test_those_who_wait_are_refused_when_it_closes() -> None:
    spending = Spending(SpendingLedger(SpendingCaps(max_tokens=10)))
    async with spending.holding(ONE):
        waiting = [asyncio.create_task(spending.holding(ONE).__aenter__()) for _ in range(3)]
        await settle()
        spending.close(EndpointError("it is down"))
        for task in waiting:
            with pytest.raises(EndpointError, match="it is down"):
                await task
    assert spending.account.reserved == Spent()


async def test_a_cancelled_wait_reserves_nothing() -> None:
    spending, through = Spending(SpendingLedger(SpendingCaps(max_tokens=10))), []

    async def wait(name: str) -> None:
        async with spending.holding(ONE):
            through.append(name)

    async with spending.holding(ONE):
        waiting = [asyncio.create_task(wait(name)) for name in ("first", "second")]
        await settle()
        waiting[0].cancel()
        await settle()
        assert through == []
    await waiting[1]
    assert through == ["second"]
    assert spending.account.reserved == Spent()


async def test_nothing_is_sent_past_the_deadline() -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    spending = Spending(SpendingLedger(SpendingCaps(deadline=now[0] + timedelta(hours=1))), now=lambda: now[0])
    spending.require_open()
    now[0] += timedelta(hours=1)
    with pytest.raises(SpendingCapReached, match="--deadline 2026-01-01T01:00:00"):
        spending.require_open()


async def test_a_request_of_the_backend_is_reserved_by_its_upper_bound() -> None:
    spending = Spending(models=MODELS)
    request = ask("x" * 200, max_tokens=50)
    most = spending.most(request, 4)
    assert most.generations == 4
    assert 200 + 50 / 4 < most.tokens < 200 + 200
    assert most.dollars == pytest.approx(((most.tokens - 200) * 1.0 + 200 * 2.0) / 1e6)


@pytest.mark.parametrize("most_choices", [1, 3, 1000])
async def test_a_cap_is_never_exceeded_and_nearly_used_up(store: SampleStore, most_choices: int) -> None:
    cap = 41
    async with connected(ChatServer(), max_choices=most_choices, concurrency=4) as (server, backend):
        spending = Spending(SpendingLedger(SpendingCaps(max_generations=cap)))
        sampler = Sampler(store, {"m": backend}, spending)
        ledger = sampler.ledger()
        draws = [asyncio.create_task(sampler.draw(ask(str(n)), 3, ledger)) for n in range(30)]
        results = await asyncio.gather(*draws, return_exceptions=True)
        assert cap - 3 < len(server.drawn) <= cap
        assert store.count() == len(server.drawn) == spending.account.spent.generations == ledger.usage.paid
        assert {type(result) for result in results} == {list, SpendingCapReached}


async def test_tokens_and_dollars_are_charged_as_the_server_counts_them(store: SampleStore) -> None:
    async with connected(ChatServer()) as (_, backend):
        spending = Spending(models=MODELS)
        sampler = Sampler(store, {"m": backend}, spending)
        samples = await sampler.draw(ask(), 4, sampler.ledger())
        generated = sum(sample.generation_tokens for sample in samples)
        assert spending.account.spent.tokens == 7 + generated
        assert spending.account.spent.dollars == pytest.approx((7 + 2 * generated) / 1e6)


LOST = {
    "stall": Reply(fault="stall"),
    "reset": Reply(fault="reset"),
    "truncated": Reply(content='{"choices": [{'),
    "empty": Reply(content='{"choices": []}'),
}


@pytest.mark.parametrize("name", LOST)
async def test_an_answer_that_never_came_in_counts_by_its_upper_bound(store: SampleStore, name: str) -> None:
    noted: list[Fault] = []

    class Sink:
        def add(self, faults: list[Fault]) -> None:
            noted.extend(faults)

    async with connected(ChatServer(script=[LOST[name]]), timeout=0.5) as (_, backend):
        spending = Spending(models=MODELS)
        sampler = Sampler(store, {"m": backend}, spending, Sink())
        await sampler.draw(ask(max_tokens=64), 2, sampler.ledger())
        await sampler.flush()
    (lost,) = [fault for fault in noted if fault.kind is FaultKind.LOST]
    assert (lost.lost_generations, lost.lost_generation_tokens) == (2, 128)
    assert lost.lost_prompt_tokens > 0
    assert spending.account.spent.generations == 4
    assert spending.account.spent.tokens >= 128
    (fault,) = [fault for fault in noted if fault.kind is not FaultKind.LOST]
    assert fault.retried
    assert fault.waited > 0


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_refused_request_costs_nothing(store: SampleStore, status: int) -> None:
    async with connected(ChatServer(script=[error("no", status=status)])) as (_, backend):
        spending = Spending()
        sampler = Sampler(store, {"m": backend}, spending)
        await sampler.draw(ask(), 2, sampler.ledger())
        assert spending.account.spent.generations == 2


async def test_stopping_finishes_what_is_under_way_and_sends_nothing_more(store: SampleStore) -> None:
    server = ChatServer()
    async with connected(server, max_choices=1, concurrency=2) as (_, backend):
        server.hold.clear()
        sampler = Sampler(store, {"m": backend})
        draws = [asyncio.create_task(sampler.draw(ask(str(n)), 2, sampler.ledger())) for n in range(4)]
        while server.in_flight < 2:
            await asyncio.sleep(0.01)
        finishing = asyncio.create_task(sampler.finish(EndpointError("stopped")))
        await asyncio.sleep(0.05)
        assert not finishing.done()
        server.hold.set()
        await finishing
        whole, *stopped = await asyncio.gather(*draws, return_exceptions=True)
        assert isinstance(whole, list), "both of its requests were under way"
        assert all(isinstance(result, EndpointError) for result in stopped)
        assert store.count() == len(server.drawn) == len(server.bodies) == 2


async def test_stopping_cuts_off_what_takes_too_long(store: SampleStore) -> None:
    server = ChatServer()
    async with connected(server) as (_, backend):
        server.hold.clear()
        spending = Spending()
        sampler = Sampler(store, {"m": backend}, spending)
        draw = asyncio.create_task(sampler.draw(ask(), 2, sampler.ledger()))
        while not server.in_flight:
            await asyncio.sleep(0.01)
        await sampler.finish(EndpointError("stopped"), seconds=0.05)
        with pytest.raises((EndpointError, asyncio.CancelledError)):
            await draw
        assert spending.account.spent.generations == 2, "the server may bill them"


async def test_a_draw_that_sleeps_between_attempts_does_not_hold_up_the_stop(store: SampleStore) -> None:
    def never(body: Body) -> Reply:
        return error("busy", status=503)

    class Endless:
        def now(self) -> float:
            return 0.0

        async def sleep(self, seconds: float) -> None:
            await asyncio.Event().wait()

    async with ChatServer(script=[never] * 9) as server:
        backend = OpenAIBackend(Endpoint(server.base_url), clock=Endless())
        sampler = Sampler(store, {"m": backend})
        draw = asyncio.create_task(sampler.draw(ask(), 2, sampler.ledger()))
        while not server.bodies or server.in_flight:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            await sampler.finish(EndpointError("stopped"))
        with pytest.raises(EndpointError, match="stopped"):
            await draw
        await backend.aclose()
