"""Joules of memory without a counter: watts per installed gigabyte.

Memory draws most of its power whether it is used or not (refresh, clocking), so the estimate goes
by the size of what the work may use: the machine's memory, or its container's limit where that is
smaller. It is the same whatever the load, which is why it is marked `estimated` with a wide error.
"""

from __future__ import annotations

import os
from pathlib import Path

from pytest_energybench.base.plain_file import read_plain
from pytest_energybench.metering.clock import SYSTEM_CLOCK, Clock
from pytest_energybench.metering.source import Domain, Reading

WATTS_PER_GB = 0.3725
"""Lannelongue, Grealey and Inouye, "Green Algorithms", Advanced Science 8 (2021) 2100707, after
Karyakin and Salem, "An analysis of memory power consumption in database systems" (2017)."""

ERROR = 0.5
"""DIMMs from data sheets lie between about 0.2 and 0.55 W/GB, by size and generation."""

SHORTEST_S = 0.05
"""The estimate is one of time: of a shorter window, reading the edges is a part that matters."""

CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class RamEstimate:
    """The domain `ram`: installed gigabytes x W/GB x seconds."""

    def __init__(self, size_bytes: int | None = None, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """
        Args:
            size_bytes: memory to charge; found out by default.
            clock: the seconds that watts are multiplied by.
        """
        size = memory_bytes() if size_bytes is None else size_bytes
        self.watts = size / 1e9 * WATTS_PER_GB
        self._clock = clock
        self._origin = clock.monotonic()
        self.domains = (
            Domain(
                name="ram",
                source="ram-size",
                provenance="estimated",
                estimate_version=1,
                error=ERROR,
                shortest_s=SHORTEST_S,
                note=f"{size / 1e9:.1f} GB x {WATTS_PER_GB} W/GB (Green Algorithms, 2021)",
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


def memory_bytes() -> int:
    """Memory this process may use: the machine's, or its container's limit if that is smaller."""
    size = installed_bytes()
    for path in CGROUP_LIMITS:
        try:
            size = min(size, int(read_plain(path)))
        except (OSError, ValueError):  # no such controller, or the word `max`: no limit
            continue
    return size
