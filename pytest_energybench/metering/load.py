"""What else ran on the machine while a window was open."""

from __future__ import annotations

import os
from typing import NamedTuple

from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.cpu_time import CpuTime, cpu_time

FRESH_S = 0.05
"""A look this young serves as the start of the next window, too: windows shorter than that are not
judged, and a series of them stays cheap."""

SHORTEST_S = 0.2
"""The kernel counts the machine's time in hundredths of a second; below this they decide."""

TOLERATED_CORES = 0.1
TOLERATED_SHARE = 0.05
"""Foreign load up to a tenth of a core, or a twentieth of the window's own, is normal."""


class Look(NamedTuple):
    """CPU seconds at one instant.

    Attributes:
        at: seconds of the clock.
        busy_s: of the whole machine.
        own_s: of this process and its descendants.
    """

    at: float
    busy_s: float
    own_s: float


class LoadWatch:
    """Looks at the machine's CPU time at the edges of windows that are long enough to tell."""

    def __init__(
        self,
        cpu: CpuTime | None = None,
        *,
        cores: int | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """
        Args:
            cpu: where CPU seconds come from.
            cores: logical CPUs of the whole machine.
            clock: seconds between two looks.
        """
        self._cpu = cpu or cpu_time()
        self._cores = cores or os.cpu_count() or 1
        self._clock = clock
        self._last = self._look()

    def begin(self) -> Look:
        """Just before a window's first edge."""
        if self._clock.monotonic() - self._last.at > FRESH_S:
            self._last = self._look()
        return self._last

    def end(self, begin: Look) -> str | None:
        """Just after a window's last edge: the flag it gets, if any."""
        if self._clock.monotonic() - begin.at < SHORTEST_S:
            return None
        self._last = self._look()
        return foreign_load(begin, self._last, self._cores)

    def _look(self) -> Look:
        at = self._clock.monotonic()
        return Look(at, self._cpu.busy_s(), self._cpu.tree_s())


def foreign_load(begin: Look, end: Look, cores: int) -> str | None:
    """A flag if other processes' CPU time between two looks was more than an idle machine's."""
    seconds = end.at - begin.at
    own_s = end.own_s - begin.own_s
    foreign_s = end.busy_s - begin.busy_s - own_s
    tolerated_s = max(TOLERATED_CORES * seconds, TOLERATED_SHARE * own_s) + 0.01 * cores
    if foreign_s <= tolerated_s:
        return None
    return (
        f"foreign load: other processes used {foreign_s:.3g} CPU-s "
        f"({foreign_s / seconds:.2g} of {cores} cores; own: {own_s:.3g} CPU-s)"
    )
