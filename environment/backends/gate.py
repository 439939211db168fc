"""The way to one endpoint: its concurrency limit, its circuit and its rate limits, passed by every request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from environment.backends.adaptive_limit import ANY, AdaptiveLimit
from environment.backends.circuit import Circuit
from environment.backends.clock import Clock
from environment.backends.endpoint_faults import PassingError
from environment.backends.prefix_order import Ask
from environment.backends.rate_limits import RateLimits
from environment.backends.slots import LLAMA_CPP
from storage.fault import FaultKind
from tools.errors import EndpointError

OVERLOADED = frozenset({FaultKind.RATE_LIMITED, FaultKind.TIMEOUT})
LONGEST_DELAY = 600.0
"""The most seconds that limits hold a request back before it tries all the same."""


class ParameterRefused(Exception):
    """The server refused one parameter, which will be left out from now on."""


class Gate:
    """Lets requests through to an endpoint and learns from how they end; the models behind it share it."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self.limit = AdaptiveLimit(most)
        self.circuit = Circuit(clock)
        self.rates = RateLimits(clock)
        self.has_slots = False
        """Whether the server's answers say that they come from llama.cpp."""

    @asynccontextmanager
    async def turn(self, tokens: float, ask: Ask = ANY) -> AsyncIterator[float]:
        """A request's turn; gives the seconds that circuit and rate limits held it back.

        `tokens` is what it may use at most, `ask` what the order of those who wait goes by. Raises
        PassingError where the endpoint was probed in vain meanwhile.
        """
        number = await self.limit.acquire(ask)
        try:
            started = self._clock.now()
            probe = await self.circuit.admit()
            try:
                if (delay := self.rates.delay(tokens)) > 0:
                    await self._clock.sleep(min(delay, LONGEST_DELAY))
                self.rates.sent(tokens)
                yield self._clock.now() - started
            except PassingError as fault:
                self._learn(fault, number, probe=probe)
                raise
            except (EndpointError, ParameterRefused):
                self.circuit.succeeded(probe=probe)
                raise
            except BaseException:
                self.circuit.undecided(probe=probe)
                raise
            self.circuit.succeeded(probe=probe)
            self.limit.succeeded()
        finally:
            self.limit.release(ask)

    def observe(self, headers: Mapping[str, str]) -> None:
        """Takes over what an answer's headers say about rate limits, and whether the server has slots."""
        self.rates.observe(headers)
        self.has_slots = headers.get("server") == LLAMA_CPP

    def _learn(self, fault: PassingError, number: int, *, probe: bool) -> None:
        if fault.retry_after:
            self.rates.pause(fault.retry_after)
        if fault.kind in OVERLOADED:
            self.limit.overloaded(number)
        if fault.kind is FaultKind.RATE_LIMITED:
            self.circuit.succeeded(probe=probe)
        else:
            self.circuit.failed(fault, probe=probe)
