"""Circuit breaking: an endpoint that fails again and again is asked by one request at a time."""

from __future__ import annotations

import asyncio

from environment.backends.clock import Clock
from environment.backends.endpoint_faults import PassingError

THRESHOLD = 5
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds


class Circuit:
    """Open after `THRESHOLD` failures in a row; then one request probes while the others wait for it.

    The probe goes out after a pause, which doubles with every failed one. When it succeeds all go on;
    when it fails that counts as a failed attempt of everybody who waited, so that an endpoint that
    stays down is given up by all at once and was asked only as often as one request may ask.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._reopens = 0.0
        self._probe: asyncio.Future[PassingError | None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests are held back."""
        return self._failures >= THRESHOLD

    async def admit(self) -> bool:
        """Returns when a request may be sent; True where it is the probe.

        The caller then reports its outcome, once. Raises PassingError where the probe that it waited
        for failed.
        """
        while self.is_open:
            if self._probe is None:
                self._probe = asyncio.get_running_loop().create_future()
                try:
                    if (pause := self._reopens - self._clock.now()) > 0:
                        await self._clock.sleep(pause)
                except BaseException:
                    self.undecided(probe=True)
                    raise
                return True
            # A waiter that is cancelled must not cancel what the others wait for.
            fault = await asyncio.shield(self._probe)
            if fault is not None:
                raise PassingError(f"{fault} (the endpoint was probed for all that wait)", fault.kind, retry_after=0.0)
        return False

    def succeeded(self, *, probe: bool) -> None:
        """The endpoint answered, if only with a refusal."""
        self._failures, self._pause = 0, FIRST_PAUSE
        if probe:
            self._tell(None)

    def failed(self, fault: PassingError, *, probe: bool) -> None:
        """The endpoint did not answer, or with nonsense."""
        if self.is_open and not probe:
            return  # sent before the circuit opened
        self._failures += 1
        if self.is_open:
            self._reopens = self._clock.now() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        if probe:
            self._tell(fault)

    def undecided(self, *, probe: bool) -> None:
        """The request ended without telling anything about the endpoint; somebody else probes."""
        if probe:
            self._tell(None)

    def _tell(self, outcome: PassingError | None) -> None:
        if self._probe is not None and not self._probe.done():
            self._probe.set_result(outcome)
        self._probe = None
