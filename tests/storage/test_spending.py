"""A session's account in its database: what its processes spend and hold back together never exceeds a cap."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from agenttts.testing.storages import CONFIG, ask
from storage.archive import Archive
from storage.database import Database
from storage.fault import Fault, FaultKind
from storage.faults import SessionFaults
from storage.sample import Sample
from storage.samples import SampleStore
from storage.spending import SessionSpending, read_spending
from storage.workers import Worker, Workers
from tests.tools.test_spending import AMOUNTS, CAPS, PRICED
from tools.errors import StorageError
from tools.spending import SpendingCaps, Spent

TEN = SpendingCaps(max_generations=10)


@pytest.fixture
def session(database: Database) -> str:
    return Archive(database).create_session(CONFIG).id


def opened(database: Database, session: str, given: SpendingCaps = SpendingCaps()) -> SessionSpending:  # noqa: B008
    """A new worker's view of the account."""
    return SessionSpending(database, session, Workers(database).register(session).id, given)


def test_two_processes_see_what_the_other_holds_back(database: Database, session: str) -> None:
    first = opened(database, session, TEN)
    second = opened(database, session)
    assert second.caps == TEN
    granted = first.reserve([Spent(4), Spent(4), Spent(4)])
    assert len(granted.numbers) == 2
    assert second.reserve([Spent(3)]).numbers == []
    first.charge(Spent(1, 20))
    first.release(granted.numbers[0])
    assert second.reserve([Spent(3)]).numbers == [], "it is only noted until it is written"
    first.flush()
    again = second.reserve([Spent(3)])
    assert len(again.numbers) == 1
    assert (again.spent, again.reserved) == (Spent(1, 20), Spent(7))
    standing = read_spending(database, session)
    assert (standing.caps, standing.spent, standing.reserved) == (TEN, Spent(1, 20), Spent(7))


def test_many_at_once_never_get_more_than_there_is(database: Database, session: str) -> None:
    accounts = [opened(database, session, TEN) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        granted = list(pool.map(lambda account: account.reserve([Spent(1)] * 6), accounts))
    assert sum(len(one.numbers) for one in granted) == 10


def test_caps_change_one_by_one(database: Database, session: str) -> None:
    opened(database, session, SpendingCaps(max_generations=10, max_tokens=100))
    running = opened(database, session)
    later = opened(database, session, SpendingCaps(max_tokens=200))
    assert later.caps == SpendingCaps(max_generations=10, max_tokens=200)
    running.reserve([])
    assert running.caps == later.caps


def test_what_a_worker_that_is_gone_held_back_counts_as_lost(database: Database, session: str) -> None:
    workers = Workers(database)
    worker = workers.register(session)
    SessionSpending(database, session, worker.id, TEN).reserve([Spent(6, 60)])
    heir = opened(database, session)
    assert heir.reserve([Spent(5)]).numbers == []
    assert read_spending(database, session).spent == Spent(), "it is alive"
    workers.leave(worker)
    granted = heir.reserve([Spent(4)])
    assert (granted.spent, granted.reserved, len(granted.numbers)) == (Spent(6, 60), Spent(4), 1)


def test_a_worker_that_lives_after_all_gets_back_what_was_taken_for_lost(database: Database, session: str) -> None:
    workers = Workers(database)
    worker = workers.register(session)
    slow, other = SessionSpending(database, session, worker.id, TEN), opened(database, session)
    (number,) = slow.reserve([Spent(6, 60)]).numbers
    workers.leave(worker)
    other.reserve([])
    assert read_spending(database, session).spent == Spent(6, 60)
    workers.beat(worker)
    slow.charge(Spent(6, 42))
    slow.release(number)
    slow.flush()
    standing = read_spending(database, session)
    assert (standing.spent, standing.reserved) == (Spent(6, 42), Spent())


def test_samples_and_what_they_cost_are_stored_together_or_not_at_all(database: Database, session: str) -> None:
    account = opened(database, session)
    store = SampleStore(database, account)
    account.charge(Spent(1, 10))
    with pytest.raises((StorageError, sa.exc.SQLAlchemyError)):
        store.put([(ask("q"), 0, Sample(None))])  # type: ignore[arg-type]
    assert read_spending(database, session).spent == Spent()
    store.put([(ask("q"), 0, Sample("text"))])
    assert read_spending(database, session).spent == Spent(1, 10)
    assert store.count() == 1


def test_faults_are_summed_by_endpoint_model_and_kind(database: Database, session: str) -> None:
    faults = SessionFaults(database, session, {"m": PRICED})
    busy = Fault("http://e/v1", "m", FaultKind.RATE_LIMITED, retried=True, waited=1.5)
    lost = Fault(
        "http://e/v1", "m", FaultKind.LOST, lost_generations=2, lost_prompt_tokens=10, lost_generation_tokens=20
    )
    faults.add([busy, lost, busy])
    SessionFaults(database, session).add([busy, Fault("http://e/v1", "x" * 999, FaultKind.RATE_LIMITED)])
    summed = {(one.model[:2], one.kind): one for one in Archive(database).faults(session)}
    assert len(summed) == 3
    limited = summed["m", FaultKind.RATE_LIMITED]
    assert (limited.count, limited.retried, limited.waited) == (3, 3, 4.5)
    assert summed["m", FaultKind.LOST].lost == Spent.of(PRICED, 2, 10, 20)


class SharedAccount(RuleBasedStateMachine):
    """Processes reserve, spend at most what they reserved, die and go on, in any order."""

    numbers = Bundle("numbers")

    @initialize(caps=CAPS)
    def begin(self, caps: SpendingCaps) -> None:
        self.database = Database.open("sqlite://")
        self.session = Archive(self.database).create_session(CONFIG).id
        self.workers = Workers(self.database)
        self.caps = caps
        self.at_work = [self.workers.register(self.session) for _ in range(2)]
        self.accounts = [self.opened(worker) for worker in self.at_work]
        self.billed = Spent()

    def opened(self, worker: Worker) -> SessionSpending:
        return SessionSpending(self.database, self.session, worker.id, self.caps)

    @rule(target=numbers, who=st.integers(0, 1), most=AMOUNTS)
    def reserve(self, who: int, most: Spent) -> tuple[SessionSpending, int, Spent] | None:
        account = self.accounts[who]
        numbers = account.reserve([most]).numbers
        return (account, numbers[0], most) if numbers else None

    @rule(held=consumes(numbers), share=st.floats(0, 1), flushed=st.booleans())
    def end(self, held: tuple[SessionSpending, int, Spent] | None, share: float, flushed: bool) -> None:
        if held is None or held[0] not in self.accounts:
            return
        account, number, most = held
        actual = Spent(*(math.floor(share * part) for part in (most.generations, most.tokens, most.picodollars)))
        self.billed += actual
        account.charge(actual)
        account.release(number)
        if flushed:
            account.flush()

    @rule(who=st.integers(0, 1))
    def dies(self, who: int) -> None:
        """Its requests under way are billed in full, at worst; what it had not written is lost with it."""
        self.workers.leave(self.at_work[who])
        self.at_work[who] = self.workers.register(self.session)
        self.accounts[who] = self.opened(self.at_work[who])

    @rule(who=st.integers(0, 1))
    def is_buried_in_error(self, who: int) -> None:
        self.workers.leave(self.at_work[who])

    @rule(who=st.integers(0, 1))
    def beats(self, who: int) -> None:
        self.workers.beat(self.at_work[who])

    @invariant()
    def all_that_may_be_billed_is_within_the_caps(self) -> None:
        if not hasattr(self, "database"):
            return
        standing = read_spending(self.database, self.session)
        assert not self.caps.exceeded_by(standing.spent + standing.reserved)
        assert not self.caps.exceeded_by(self.billed), "not even what was never written exceeds them"
        for part in ("generations", "tokens", "picodollars"):
            assert getattr(self.billed, part) <= getattr(standing.spent + standing.reserved, part)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()


TestSharedAccount = SharedAccount.TestCase
TestSharedAccount.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
