"""Joules of processor packages and their memory from RAPL counters (Linux powercap).

Intel Software Developer's Manual, volume 3B, "RAPL Interfaces": the counters count upwards, are
updated about every millisecond, and wrap. The kernel shows them in microjoules and says where they
wrap; a reader that looks at least once per turn loses nothing.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from pytest_energybench.metering.clock import SHORTEST_SLEEP_S, SYSTEM_CLOCK, Clock
from pytest_energybench.metering.fork import tell_after_fork
from pytest_energybench.metering.powercap import Counters, Zone, find_counters, powercap_root
from pytest_energybench.metering.source import Domain, Loss, Reading

PERIOD_S = 0.001
RESOLUTION_J = 61e-6
"""The energy unit of most Intel processors, 2^-14 J (the manual above; AMD's is 15.3 uJ)."""
MOST_WATTS = 1000.0
"""More than any one package draws: sets how often a long window looks for a wrap."""
LONGEST_TICK_S = 60.0
FRESH_S = 0.05


class _Counter:
    """One open counter file, unrolled: `total_uj` goes on where the file wraps."""

    __slots__ = ("domain", "fd", "last_uj", "path", "range_uj", "top_uj", "total_uj")

    def __init__(self, domain: str, zone: Zone) -> None:
        self.domain = domain
        self.path = zone.energy
        self.range_uj = zone.range_uj
        self.top_uj = math.inf if zone.range_uj is None else zone.range_uj
        self.total_uj = 0
        self.last_uj = 0
        self.fd = -1

    def open(self) -> int:
        """(Re)open the file; microjoules that it shows now."""
        self.shut()
        self.fd = os.open(self.path, os.O_RDONLY)
        return self._checked(int(os.pread(self.fd, 64, 0)))

    def shut(self) -> None:
        """Close the file if it is open."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    __del__ = shut

    def follow(self) -> int:
        """Open what took the place of a removed file; microjoules since the last reading.

        A file that was removed while open shows its last value for ever.
        """
        value = self.open()
        step = self.step(value)
        self.last_uj = value
        return step

    def step(self, value: int) -> int:
        """Microjoules from the last reading to `value`, around the corner where it has to be."""
        step = self._checked(value) - self.last_uj
        if step >= 0:
            return step
        if self.range_uj is None:
            raise ValueError(f"went back by {-step} uJ, and max_energy_range_uj is missing")
        return step + self.range_uj

    def _checked(self, value: int) -> int:
        if not 0 <= value <= self.top_uj:
            raise ValueError(f"reads {value}; its range is 0 to {self.top_uj}")
        return value


class RaplSource:
    """`cpu:N` and `dram:N`: one domain per package, and one for its memory where it is counted.

    A counter that can't be read, or shows what no counter can show, is lost together with its
    domain until the next time that a first window opens.

    Attributes:
        domains: what is read.
        left_out: zones that would have counted joules twice, with the reason.
        tick_s: how often a long window has to look: twice per turn at a power never reached.
    """

    def __init__(self, counters: Counters, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """
        Args:
            counters: found by `find_counters`.
            clock: dates failures.
        """
        self.left_out = counters.left_out
        self._clock = clock
        self._looked = -math.inf
        self._read_at = 0.0
        self._asleep = 0.0
        self._unseen: list[tuple[float, float]] = []
        self._is_fresh = False
        self._mutex = threading.Lock()
        tell_after_fork(self)
        self._lost: dict[str, Loss] = {}
        self._counters = [
            _Counter(name, zone) for name, zones in counters.domains.items() for zone in zones
        ]
        self._live = list(self._counters)
        for counter in self._counters:
            self._revive(counter)
        ranges = [counter.range_uj for counter in self._counters if counter.range_uj]
        self._turn_s = min(ranges, default=math.inf) / 1e6 / MOST_WATTS
        self.tick_s = min(self._turn_s / 2, LONGEST_TICK_S)
        self.domains: Sequence[Domain] = tuple(
            Domain(
                name=name,
                source="rapl",
                provenance="measured",
                resolution_j=RESOLUTION_J,
                period_s=PERIOD_S,
                note=" + ".join(f"{zone.name}: {zone.energy}" for zone in zones),
            )
            for name, zones in counters.domains.items()
        )

    @classmethod
    def find(cls, root: str | Path | None = None, *, clock: Clock = SYSTEM_CLOCK) -> RaplSource:
        """The counters under `root`, or of the system; it has no domains where there are none."""
        return cls(find_counters(powercap_root(root)), clock=clock)

    def after_fork(self) -> None:
        """In a child: another thread may have been reading when it was forked."""
        self._mutex = threading.Lock()

    def open(self) -> None:
        """Try again what was lost in an earlier window.

        In a series of short windows the last one has just looked whether the files are still
        there, so the first reading of this one needn't.
        """
        self._read_at = self._clock.monotonic()
        self._asleep = self._clock.asleep()
        self._unseen = []
        self._is_fresh = self._read_at - self._looked < FRESH_S
        if self._lost:
            with self._mutex:
                lost = self._lost
                self._lost = {}
                for counter in self._counters:
                    if counter.domain in lost:
                        self._revive(counter)
                self._live = [c for c in self._counters if c.domain not in self._lost]

    def close(self) -> None:
        """The files stay open: opening them takes longer than reading them."""
        self._looked = self._clock.monotonic()

    def tick(self) -> None:
        """Look at the counters, so that no wrap is missed."""
        self.read()

    def read(self) -> Reading:
        """Joules since the source was made."""
        joules: dict[str, float] = {}
        failed = False
        pread, fstat = os.pread, os.fstat
        fresh, self._is_fresh = self._is_fresh, False
        with self._mutex:
            self._look_back()
            for counter in self._live:
                try:
                    value = int(pread(counter.fd, 64, 0))
                    last = counter.last_uj
                    if value != last:
                        more = (
                            value - last if last < value <= counter.top_uj else counter.step(value)
                        )
                        counter.total_uj += more
                        counter.last_uj = value
                    elif not fresh and not fstat(counter.fd).st_nlink:
                        counter.total_uj += counter.follow()
                except (OSError, ValueError) as error:
                    self._lose(counter, error)
                    failed = True
                    continue
                name = counter.domain
                if name in joules:
                    joules[name] += counter.total_uj / 1e6
                else:
                    joules[name] = counter.total_uj / 1e6
            if failed:
                self._live = [c for c in self._live if c.domain not in self._lost]
            if not self._lost:
                return Reading(joules)
            lost = dict(self._lost)
        return Reading({n: j for n, j in joules.items() if n not in lost}, lost)

    def judge(self, begin: float, end: float) -> Sequence[str]:
        """A flag where a counter may have made a whole turn that nobody saw."""
        return [
            f"counters were not looked at for {seconds:.0f} s (a stopped process?) and may have"
            " wrapped unseen"
            for at, seconds in self._unseen
            if at > begin and at - seconds < end
        ]

    def _look_back(self) -> None:
        """What may have happened since the last reading, while a window was open."""
        now, asleep = self._clock.monotonic(), self._clock.asleep()
        if now - self._read_at > self._turn_s:
            self._unseen.append((now, now - self._read_at))
        slept_s = asleep - self._asleep
        self._read_at, self._asleep = now, asleep
        if slept_s > SHORTEST_SLEEP_S:  # counters may begin anew, which would look like a wrap
            for counter in self._live:
                self._lose(counter, OSError(f"the machine was suspended for {slept_s:.0f} s"))
            self._live = []

    def _revive(self, counter: _Counter) -> None:
        try:
            counter.last_uj = counter.open()
        except (OSError, ValueError) as error:
            self._lose(counter, error)

    def _lose(self, counter: _Counter, error: Exception) -> None:
        why = str(error)
        counter.shut()
        if str(counter.path) not in why:
            why = f"{counter.path}: {why}"
        self._lost.setdefault(counter.domain, Loss(why, self._clock.monotonic()))
