"""Time that only goes forward, handed in wherever it is needed so that tests can move it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where windows and sources take their seconds from."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary fixed point; never goes back, whatever the wall clock does."""


class SystemClock:
    """The machine's monotonic clock."""

    __slots__ = ()
    monotonic = staticmethod(time.monotonic)


SYSTEM_CLOCK = SystemClock()
