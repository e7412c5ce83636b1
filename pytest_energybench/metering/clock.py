"""Time that only goes forward, handed in wherever it is needed so that tests can move it.

Tests freeze `time.monotonic`, patch `time.sleep` and travel through dates. What is bound here when
this module is loaded stays the machine's own; nothing else in the project asks `time` itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Protocol

_UPTIME: int | None = getattr(time, "CLOCK_UPTIME_RAW", None)
"""On macOS, which has it in place of CLOCK_MONOTONIC, and that in place of CLOCK_BOOTTIME."""
_BOOTTIME: int | None = getattr(
    time, "CLOCK_BOOTTIME", None if _UPTIME is None else time.CLOCK_MONOTONIC
)
_GETTIME: Any = getattr(time, "clock_gettime", None)
_REALTIME_COARSE = 5
"""Linux's number (clock_gettime(2)); libraries that travel in time leave it alone."""

SHORTEST_SLEEP_S = 1.0
"""Two clocks are read one after the other, so that a busy machine may seem to sleep for less."""


class Clock(Protocol):
    """Where windows and sources take their seconds from."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary fixed point; never goes back, whatever the wall clock does."""

    def asleep(self) -> float:
        """Seconds of suspension since such a point; `monotonic` leaves them out."""

    def worked(self) -> float:
        """CPU seconds of this process and its threads since such a point."""


def _monotonic() -> Callable[[], float]:
    """The system's call where Python shows it: few libraries replace that one, and this module may
    be loaded when `time.monotonic` is frozen already."""
    if hasattr(time, "clock_gettime"):
        return partial(time.clock_gettime, time.CLOCK_MONOTONIC if _UPTIME is None else _UPTIME)
    return time.perf_counter  # Windows' `time.monotonic` goes in steps of 16 ms up to Python 3.12


def _worked() -> Callable[[], float]:
    if hasattr(time, "CLOCK_PROCESS_CPUTIME_ID"):
        return partial(time.clock_gettime, time.CLOCK_PROCESS_CPUTIME_ID)
    return time.process_time


def _wall() -> Callable[[], float]:
    if _BOOTTIME is not None and _UPTIME is None:  # Linux
        return partial(time.clock_gettime, _REALTIME_COARSE)
    return time.time


class SystemClock:
    """The machine's monotonic clock.

    On Linux it stands still while the machine is suspended, and CLOCK_BOOTTIME doesn't
    (clock_gettime(2)): their difference is how long it was. So it is on macOS, where these clocks
    have other names. On Windows it goes on: what a window slept is in its duration.
    """

    __slots__ = ()
    monotonic = staticmethod(_monotonic())
    wall = staticmethod(_wall())
    """Seconds since 1970, for labels: durations don't come from it."""
    sleep = staticmethod(time.sleep)
    worked = staticmethod(_worked())
    _boottime = None if _BOOTTIME is None else staticmethod(partial(time.clock_gettime, _BOOTTIME))
    since_boot = _boottime or monotonic
    """Seconds since the machine was started, those of suspension among them where a clock has
    them."""

    @staticmethod
    def worked_by(pid: int) -> float:
        """CPU seconds of a process on Linux, by the clock that `clock_getcpuclockid(3)` would give.

        Raises OSError where it has ended.
        """
        return float(_GETTIME((~pid << 3) | 2))

    def asleep(self) -> float:
        """Seconds of suspension since the machine was started; 0.0 if no clock tells them."""
        if self._boottime is None:
            return _windows_asleep()
        return self._boottime() - self.monotonic()


def _windows_asleep() -> float:
    """All time since the start, in milliseconds, without the time that the machine was awake, in
    units of 100 ns (Win32 API, GetTickCount64 and QueryUnbiasedInterruptTime); 0.0 elsewhere."""
    import ctypes

    kernel32 = _kernel32()
    awake = ctypes.c_uint64()
    if kernel32 is None or not kernel32.QueryUnbiasedInterruptTime(ctypes.byref(awake)):
        return 0.0
    return float(kernel32.GetTickCount64()) / 1e3 - awake.value / 1e7


@cache
def _kernel32() -> Any:
    """Windows' library, loaded once: the clock is asked at both edges of every window."""
    import ctypes

    if not hasattr(ctypes, "WinDLL"):
        return None
    kernel32: Any = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    kernel32.GetTickCount64.restype = ctypes.c_uint64
    return kernel32


SYSTEM_CLOCK = SystemClock()
