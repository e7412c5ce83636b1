"""Time that only goes forward, handed in wherever it is needed so that tests can move it."""

from __future__ import annotations

import time
from typing import Protocol

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)

SHORTEST_SLEEP_S = 1.0
"""Two clocks are read one after the other, so that a busy machine may seem to sleep for less."""


class Clock(Protocol):
    """Where windows and sources take their seconds from."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary fixed point; never goes back, whatever the wall clock does."""

    def asleep(self) -> float:
        """Seconds of suspension since such a point; `monotonic` leaves them out."""


class SystemClock:
    """The machine's monotonic clock.

    On Linux it stands still while the machine is suspended, and CLOCK_BOOTTIME doesn't
    (clock_gettime(2)): their difference is how long it was.
    """

    __slots__ = ()
    monotonic = staticmethod(time.monotonic)

    def asleep(self) -> float:
        """Seconds of suspension since the machine was started; 0.0 where no clock tells them."""
        return 0.0 if _BOOTTIME is None else time.clock_gettime(_BOOTTIME) - time.monotonic()


SYSTEM_CLOCK = SystemClock()
