"""Circuit breaking on a clock that the tests move."""

from __future__ import annotations

import asyncio

import pytest

from environment.backends.circuit import FIRST_PAUSE, LONGEST_PAUSE, THRESHOLD, Circuit
from environment.backends.endpoint_faults import PassingError
from storage.fault import FaultKind
from tests.environment.fake_clock import FakeClock, settle

DOWN = PassingError("status 503", FaultKind.SERVER_ERROR)


def opened(clock: FakeClock) -> Circuit:
    circuit = Circuit(clock)
    for _ in range(THRESHOLD):
        circuit.failed(DOWN, probe=False)
    assert circuit.is_open
    return circuit


async def test_only_failures_in_a_row_open_it() -> None:
    circuit = Circuit(FakeClock())
    for _ in range(10):
        for _ in range(THRESHOLD - 1):
            circuit.failed(DOWN, probe=False)
        assert await circuit.admit() is False
        circuit.succeeded(probe=False)
    assert not circuit.is_open


async def test_an_open_circuit_sends_one_probe_and_its_success_lets_all_go() -> None:
    clock = FakeClock()
    circuit = opened(clock)
    waiting = [asyncio.create_task(circuit.admit()) for _ in range(5)]
    await clock.advance(FIRST_PAUSE - 0.01)
    assert not any(task.done() for task in waiting)
    await clock.advance(0.01)
    assert [task.done() for task in waiting] == [True, False, False, False, False]
    assert waiting[0].result() is True
    circuit.succeeded(probe=True)
    await settle()
    assert [task.result() for task in waiting] == [True, False, False, False, False]
    assert not circuit.is_open


async def test_a_failed_probe_is_a_failed_attempt_of_all_who_waited() -> None:
    clock = FakeClock()
    circuit = opened(clock)
    waiting = [asyncio.create_task(circuit.admit()) for _ in range(3)]
    await clock.advance(FIRST_PAUSE)
    circuit.failed(DOWN, probe=True)
    await settle()
    for task in waiting[1:]:
        with pytest.raises(PassingError, match="status 503") as caught:
            await task
        assert caught.value.retry_after == 0
        assert not caught.value.billed


async def test_pauses_double_up_to_the_longest() -> None:
    clock = FakeClock()
    circuit = opened(clock)
    pause, pauses = FIRST_PAUSE, []
    for _ in range(9):
        probe = asyncio.create_task(circuit.admit())
        await settle()
        started = clock.now()
        while not probe.done():
            await clock.advance(0.5)
        pauses.append(clock.now() - started)
        assert pauses[-1] == pytest.approx(pause)
        circuit.failed(DOWN, probe=True)
        pause = min(2 * pause, LONGEST_PAUSE)
    assert pauses[-1] == LONGEST_PAUSE


async def test_a_cancelled_probe_hands_over_to_the_next() -> None:
    clock = FakeClock()
    circuit = opened(clock)
    first, second = (asyncio.create_task(circuit.admit()) for _ in range(2))
    await settle()
    first.cancel()
    await clock.advance(FIRST_PAUSE)
    assert second.result() is True


async def test_a_probe_that_tells_nothing_hands_over_to_the_next() -> None:
    clock = FakeClock()
    circuit = opened(clock)
    first, second = (asyncio.create_task(circuit.admit()) for _ in range(2))
    await clock.advance(FIRST_PAUSE)
    assert first.result() is True
    circuit.undecided(probe=True)
    await settle()
    assert second.result() is True
    assert circuit.is_open


async def test_a_waiter_that_is_cancelled_does_not_disturb_the_others() -> None:
    clock = FakeClock()
    circuit = opened(clock)
    _, second, third = tasks = [asyncio.create_task(circuit.admit()) for _ in range(3)]
    await clock.advance(FIRST_PAUSE)
    second.cancel()
    await settle()
    circuit.succeeded(probe=True)
    await settle()
    assert third.result() is False
    assert tasks[0].result() is True


async def test_late_failures_of_requests_sent_before_do_not_lengthen_the_pause() -> None:
    clock = FakeClock()
    circuit = opened(clock)
    for _ in range(20):
        circuit.failed(DOWN, probe=False)
    probe = asyncio.create_task(circuit.admit())
    await clock.advance(FIRST_PAUSE)
    assert probe.result() is True


async def test_a_late_success_of_a_request_sent_before_closes_it() -> None:
    circuit = opened(FakeClock())
    circuit.succeeded(probe=False)
    assert await circuit.admit() is False
