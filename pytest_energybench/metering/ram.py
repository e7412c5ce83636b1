"""Joules of memory without a counter: watts per gigabyte, bounded by what the processor draws.

Memory draws most of its power whether it is used or not (refresh, clocking), so the estimate goes
by the size of what the work may use: the machine's memory, or its container's limit where that is
smaller. It is the same whatever the load.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pytest_energybench.base.plain_file import read_plain
from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.cpu_power import CpuPower, cpu_power
from pytest_energybench.metering.cpu_rows import VERSION
from pytest_energybench.metering.source import Domain, Reading

WATTS_PER_GB = {"DDR3": 0.25, "DDR4": 0.08, "DDR5": 0.07, "LPDDR": 0.04}
"""Choices within what is published. At the wall, idle, servers of SPECpower_ssj2008 rise by 0.06 W
for each further gigabyte of DDR4 and 0.4 to 0.6 W of DDR3; work adds to it, supplies take from it.
DDR5 and LPDDR follow their makers' lower voltages and larger modules."""

MOST_OF_CPU = 0.25
"""Memory is charged no more than this part of what the processor draws with all our threads busy: a
choice, so that it is at most a fifth of a total then, however many gigabytes there are. Beside one
thread of many it can be more, and the report says how much."""

ERROR = 0.7
"""Modules differ by their size, ranks and load: of DDR4, 0.03 to 0.13 W/GB."""

SHORTEST_S = 0.05
"""The estimate is one of time: of a shorter window, reading the edges is a part that matters."""

CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class RamEstimate:
    """The domain `ram`: gigabytes x W/GB x seconds, bounded."""

    def __init__(
        self,
        size_bytes: int | None = None,
        *,
        power: CpuPower | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """
        Args:
            size_bytes: memory to charge; found out by default.
            power: the processor beside it: its kind of memory, and the bound.
            clock: the seconds that watts are multiplied by.
        """
        size = memory_bytes() if size_bytes is None else size_bytes
        power = power or cpu_power()
        by_size = size / 1e9 * WATTS_PER_GB[power.memory]
        bound = MOST_OF_CPU * (power.idle_w + power.work_w(power.ours))
        self.watts = min(by_size, bound)
        how = f"{size / 1e9:.1f} GB x {WATTS_PER_GB[power.memory]} W/GB of {power.memory}"
        if bound < by_size:
            how += f", bounded by {MOST_OF_CPU} of the busy processor"
        self._clock = clock
        self._origin = clock.monotonic()
        self.domains = (
            Domain(
                name="ram",
                source="ram-size",
                provenance="estimated",
                estimate_version=VERSION,
                error=ERROR,
                idle_w=self.watts,
                shortest_s=SHORTEST_S,
                note=f"{self.watts:.3g} W: {how}",
            ),
        )

    def open(self) -> None:
        """Nothing runs between the edges."""

    def close(self) -> None:
        """Nothing to stop."""

    def read(self) -> Reading:
        """Joules since the estimate was made."""
        return Reading({"ram": self.watts * (self._clock.monotonic() - self._origin)})


def installed_bytes() -> int:
    """The machine's memory in bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        import psutil

        return int(psutil.virtual_memory().total)


def memory_bytes(limits: Sequence[Path] = CGROUP_LIMITS) -> int:
    """Memory this process may use: the machine's, or its container's limit if that is smaller."""
    size = installed_bytes()
    for path in limits:
        try:
            size = min(size, int(read_plain(path)))
        except (OSError, ValueError):  # no such controller, or the word `max`: no limit
            continue
    return size
