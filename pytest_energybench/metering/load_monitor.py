"""What else ran on the machine while a window was open."""

from __future__ import annotations

import math
from typing import NamedTuple

from pytest_energybench.base.flags import BACKGROUND_LOAD
from pytest_energybench.base.system import logical_cpus
from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.cpu_time import CpuTime, cpu_time

FRESH_S = 0.05
"""A look this young serves as the start of the next window, too: a series of windows shorter than
that stays cheap."""

SHORTEST_S = 0.2
"""The kernel counts the machine's time in hundredths of a second; below this they decide."""

SERIES_S = 1.0
"""Windows no further apart than this are one series: what ran between them ran beside them, too."""

TOLERATED_CORES = 0.1
TOLERATED_SHARE = 0.05
"""Background load up to a tenth of a core, or a twentieth of the window's own, is normal."""


class CpuSample(NamedTuple):
    """CPU seconds at one instant; nan where the system did not say them.

    Attributes:
        at: seconds of the clock.
        busy_s: of the whole machine.
        own_s: of this process and its descendants.
    """

    at: float
    busy_s: float
    own_s: float


class LoadMonitor:
    """Looks at the machine's CPU time at the edges of windows.

    A window shorter than `SHORTEST_S` can't tell by itself. It is judged by the time since its
    series began, or since the last window of it that was judged; the first ones of a series are
    not.
    """

    def __init__(
        self, cpu: CpuTime | None = None, *, cores: int | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """
        Args:
            cpu: where CPU seconds come from.
            cores: logical CPUs of the whole machine.
            clock: seconds between two looks.
        """
        self._cpu = cpu or cpu_time()
        self._cores = cores or logical_cpus()
        self._clock = clock
        self._last = self._series = self._look()
        self._ended = self._last.at

    def begin(self) -> CpuSample:
        """Just before a window's first edge."""
        now = self._clock.monotonic()
        if now - self._last.at > FRESH_S:
            self._last = self._look()
        if now - self._ended > SERIES_S:
            self._series = self._last
        return self._last

    def end(self, begin: CpuSample) -> str | None:
        """Just after a window's last edge: the flag it gets, if any."""
        self._ended = self._clock.monotonic()
        since = begin if self._ended - begin.at >= SHORTEST_S else self._series
        if self._ended - since.at < SHORTEST_S:
            return None
        self._last = self._series = self._look()
        return foreign_load(since, self._last, self._cores)

    def _look(self) -> CpuSample:
        at = self._clock.monotonic()
        try:
            return CpuSample(at, self._cpu.busy_s(), self._cpu.tree_s())
        except OSError:
            return CpuSample(at, math.nan, math.nan)


def foreign_load(begin: CpuSample, end: CpuSample, cores: int) -> str | None:
    """A flag if other processes' CPU time between two looks was more than an idle machine's."""
    seconds = end.at - begin.at
    own_s = end.own_s - begin.own_s
    foreign_s = end.busy_s - begin.busy_s - own_s
    if math.isnan(foreign_s) or own_s > end.busy_s == 0.0:  # a sandbox may count nothing
        return f"{BACKGROUND_LOAD} is not known: the system did not say what CPU time was used"
    tolerated_s = max(TOLERATED_CORES * seconds, TOLERATED_SHARE * own_s) + 0.01 * cores
    if foreign_s <= tolerated_s:
        return None
    return (
        f"{BACKGROUND_LOAD}: other processes used {foreign_s:.3g} CPU-s "
        f"({foreign_s / seconds:.2g} of {cores} cores; own: {own_s:.3g} CPU-s)"
    )


def impossible(begin: CpuSample, end: CpuSample, cores: int, tick_s: float) -> str | None:
    """Why the tree's CPU seconds between two looks can't be right, if they can't.

    A part never exceeds the whole: what the machine was busy for, and what its cores can do at all.
    At each tick the kernel counts one tick for whatever a core runs at that instant, so n of them
    are known to about the root of n (four standard deviations are allowed for here). The last tick
    of each core is still under way, and each of the six counts that add up is cut to a whole one.
    Where the kernel counts nothing, as in some sandboxes, the cores are the limit.

    Args:
        tick_s: the step in which busy seconds come.
    """
    seconds, own_s = end.at - begin.at, end.own_s - begin.own_s
    busy_s = end.busy_s - begin.busy_s if end.busy_s > 0.0 else math.inf
    most_s = min(busy_s, seconds * cores)
    if own_s <= most_s + tick_s * (4.0 * math.sqrt(own_s / tick_s) + cores + 6):
        return None
    return (
        f"this process and its descendants show {own_s:.3g} CPU-s, but the machine's {cores} cores"
        f" were busy for {most_s:.3g} CPU-s at most in these {seconds:.3g} s"
    )
