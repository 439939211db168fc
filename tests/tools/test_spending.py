"""The ledger of reservations: what the caps promise holds for every order of events."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from tools.errors import InvalidInput
from tools.space import Model
from tools.spending import PER_DOLLAR, SpendingCaps, SpendingLedger, Spent

AMOUNTS = st.builds(Spent, st.integers(0, 30), st.integers(0, 5000), st.integers(0, PER_DOLLAR // 10))
CAPS = st.builds(
    SpendingCaps,
    st.none() | st.integers(1, 100),
    st.none() | st.integers(1, 20_000),
    st.none() | st.floats(0.001, 1.0),
)
PRICED = Model("m", 1e9, prompt_price=0.15, generation_price=0.6)


class LedgerOfRequests(RuleBasedStateMachine):
    """Requests reserve, come to at most what they reserved, and end, in any order."""

    numbers = Bundle("numbers")

    @rule(caps=CAPS, before=AMOUNTS)
    @precondition(lambda self: not hasattr(self, "ledger"))
    def begin(self, caps: SpendingCaps, before: Spent) -> None:
        self.before = before
        self.ledger = SpendingLedger(caps, before)
        self.held: dict[int, Spent] = {}
        self.charged = before

    @rule(target=numbers, most=AMOUNTS)
    @precondition(lambda self: hasattr(self, "ledger"))
    def reserve(self, most: Spent) -> int | None:
        free = not self.ledger.caps.exceeded_by(self.ledger.spent + self.ledger.reserved + most)
        (number,) = [*self.ledger.reserve([most]).numbers] or [None]
        assert (number is not None) == free
        if number is not None:
            assert number not in self.held
            self.held[number] = most
        return number

    @rule(number=consumes(numbers), share=st.floats(0, 1), twice=st.booleans())
    @precondition(lambda self: hasattr(self, "ledger"))
    def end(self, number: int | None, share: float, twice: bool) -> None:
        if number is None:
            return
        most = self.held.pop(number)
        actual = Spent(*(math.floor(share * part) for part in (most.generations, most.tokens, most.picodollars)))
        self.ledger.charge(actual)
        self.charged += actual
        self.ledger.release(number)
        if twice:
            self.ledger.release(number)

    @invariant()
    def the_books_are_right(self) -> None:
        if not hasattr(self, "ledger"):
            return
        assert self.ledger.spent == self.charged
        assert self.ledger.reserved == sum(self.held.values(), Spent())
        # What the session brought along may be beyond a cap that is new; nothing is added to it then.
        if not self.ledger.caps.exceeded_by(self.before):
            assert not self.ledger.caps.exceeded_by(self.ledger.spent + self.ledger.reserved)
        else:
            assert not self.held
            assert self.ledger.spent == self.before


TestLedgerOfRequests = LedgerOfRequests.TestCase


@given(CAPS, st.lists(AMOUNTS, max_size=20))
def test_what_never_fits_is_refused_and_what_may_fit_is_not(caps: SpendingCaps, wishes: list[Spent]) -> None:
    ledger = SpendingLedger(caps)
    for wish in wishes:
        granted = ledger.reserve([wish])
        if caps.exceeded_by(ledger.spent + wish):
            assert not granted.numbers
        elif not granted.numbers:
            assert ledger.reserved != Spent(), "only others' reservations can be in the way"


@given(CAPS)
def test_caps_read_back_as_they_were(caps: SpendingCaps) -> None:
    assert SpendingCaps.from_dict(caps.to_dict()) == caps


def test_a_deadline_reads_back_as_it_was() -> None:
    caps = SpendingCaps(deadline=datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC))
    assert caps.to_dict() == {"deadline": "2026-05-06T07:08:09+00:00"}
    assert SpendingCaps.from_dict(caps.to_dict()) == caps


@pytest.mark.parametrize(
    ("total", "exceeded"),
    [
        (Spent(10, 99), ""),
        (Spent(11, 99), "--max-generations 10"),
        (Spent(9, 101), "--max-tokens 100"),
        (Spent(9, 9, PER_DOLLAR // 2), ""),
        (Spent(9, 9, PER_DOLLAR // 2 + 1), "--max-dollars 0.5"),
    ],
)
def test_a_cap_is_named_as_the_command_line_writes_it(total: Spent, exceeded: str) -> None:
    caps = SpendingCaps(10, 100, 0.5)
    assert caps.exceeded_by(total) == exceeded


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_prices_are_per_million_tokens_and_rounded_up(prompt_tokens: int, generation_tokens: int) -> None:
    spent = Spent.of(PRICED, 3, prompt_tokens, generation_tokens)
    assert (spent.generations, spent.tokens) == (3, prompt_tokens + generation_tokens)
    exact = (prompt_tokens * 0.15 + generation_tokens * 0.6) / 1e6
    assert spent.dollars == pytest.approx(exact, rel=1e-9, abs=1e-12)
    assert spent.dollars >= exact * (1 - 1e-12)


def test_a_model_without_prices_costs_nothing() -> None:
    assert Spent.of(Model("m", 1e9), 1, 10, 10) == Spent(1, 20)
    assert Spent.of(Model("m", 1e9, prompt_price=1.0), 1, 10, 10) == Spent(1, 20)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in ("max_generations", "max_tokens") for value in (0, -1, 1.5, True, "9", math.nan)),
        *(("max_dollars", value) for value in (0, -1, 10**7, math.nan, math.inf, True, "9")),
        ("deadline", datetime(2026, 1, 1)),
    ],
)
def test_caps_that_are_none_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}: must be"):
        SpendingCaps(**{field: value})
