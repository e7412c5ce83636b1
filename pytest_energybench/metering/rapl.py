"""Joules of processor packages and their memory from RAPL counters (Linux powercap).

Intel Software Developer's Manual, volume 3B, "RAPL Interfaces": the counters count upwards, are
updated about every millisecond, and wrap. The kernel shows them in microjoules and says where they
wrap; a reader that looks at least once per turn loses nothing.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pytest_energybench.base.plain_file import open_plain
from pytest_energybench.base.system import tell_after_fork
from pytest_energybench.base.text import sanitize
from pytest_energybench.metering.clock import SHORTEST_SLEEP_S, SYSTEM_CLOCK, Clock
from pytest_energybench.metering.powercap import (
    Counters,
    Zone,
    find_counters,
    powercap_root,
    ways_out,
)
from pytest_energybench.metering.source import MIN_UPDATES, Domain, Loss, Reading

PERIOD_S = 0.001
RESOLUTION_J = 61e-6
"""The energy unit of most Intel processors, 2^-14 J (the manual above; AMD's is 15.3 uJ)."""
LONGEST_TICK_S = 0.1
"""How often a window is looked at, so that a stop is noticed whatever the window's length. Looking
at four counters takes 15 us; with the thread that wakes up for it, 0.2 % of a core."""
FRESH_S = 0.05
LUMP_S = 100 * PERIOD_S
"""A counter may hand over in one step what it counted in some updates before."""
APART_S = MIN_UPDATES * PERIOD_S
"""Even an idle part draws many units of its counter in one update: of two looks so far apart, the
second shows more, or the counter stood still."""
STILL_S = 1000 * PERIOD_S
"""A counter that stands still for so many CPU seconds of this process does not count. What two
looks see of a stop lacks less than a tick at either end, so one of 1.2 is seen."""
IDLY_STILL_S = 2.0
"""As long, where the process is waiting: nothing is known of the processor's work then."""
STILL_SHARE = 0.1
"""Shorter stops add up where the counter stands still for more than this share of its time."""
SHORTEST_TURN_S = 1.0
"""Counters wrap after a minute at full power and more (Intel's manual); one that would do so faster
than it can be followed has no range."""


class _Counter:
    """One open counter file, unrolled: `total_uj` goes on where the file wraps.

    Attributes:
        turn_s: seconds in which it can come round; inf if it isn't known to.
        mark_uj: what it showed at the last look that was far enough from the one before.
        still_s: for how many CPU seconds it was seen to stand still; a share of the time that it
            counts goes off again.
        idly_still_s: for how many seconds it stands still now.
        peak_w: the most that it counted between two marks; 0.0 where it didn't.
        since: from when it may stand still now; None where it doesn't.
        stops: from when until when it may have stood still before.
    """

    def __init__(self, domain: str, zone: Zone) -> None:
        self.domain = domain
        self.path = zone.energy
        self.range_uj = zone.range_uj
        self.top_uj = math.inf if zone.range_uj is None else zone.range_uj
        self.most_w = zone.most_w
        self.turn_s = self.top_uj / 1e6 / self.most_w
        self.total_uj = 0
        self.last_uj = 0
        self.fd = -1

    def open(self) -> int:
        """(Re)open the file; microjoules that it shows now."""
        self.shut()
        if self.turn_s < SHORTEST_TURN_S:
            raise ValueError(
                f"max_energy_range_uj of {self.range_uj} would be passed every {self.turn_s:.2g} s"
            )
        self.fd = open_plain(self.path)
        return self._checked(int(os.pread(self.fd, 64, 0)))

    def shut(self) -> None:
        """Close the file if it is open."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    __del__ = shut

    def begin(self, value: int) -> None:
        """Count from `value` on: what came before is no window's."""
        self.last_uj = self.mark_uj = self._checked(value)
        self.still_s = self.idly_still_s = self.peak_w = 0.0
        self.since: float | None = None
        self.stops: list[tuple[float, float]] = []

    def mark(self, seconds: float, busy_s: float, since: float, now: float) -> None:
        """Hold what it shows now against what it showed `seconds` before, at the last mark.

        Args:
            busy_s: CPU seconds of this process since then.
            since: the mark before that one: it may have stopped right after it.
            now: when it was read.

        Raises:
            ValueError: it stands still for too long.
        """
        if self.last_uj != self.mark_uj:
            counted_uj = (self.last_uj - self.mark_uj) % self.top_uj
            self.peak_w = max(self.peak_w, counted_uj / 1e6 / seconds)
            self.mark_uj = self.last_uj
            self.still_s = max(0.0, self.still_s - STILL_SHARE * seconds)
            self.idly_still_s = 0.0
            if self.since is not None:
                self.stops.append((self.since, now))
                self.since = None
            return
        self.still_s += min(seconds, busy_s)
        self.idly_still_s += seconds
        if self.since is None:
            self.since = since
        if self.still_s > STILL_S or self.idly_still_s > IDLY_STILL_S:
            still_s = max(self.still_s, self.idly_still_s)
            raise ValueError(
                f"stood still at {self.last_uj} uJ for {still_s:.3g} s: it doesn't count"
            )

    @property
    def has_stopped(self) -> bool:
        """Whether it was ever seen to stand still."""
        return bool(self.stops) or self.since is not None

    def uncounted_s(self, begin: float, end: float) -> float:
        """For how long it may have stood still in stops that were seen between two instants.

        A stop counts with all that came before `begin`: that may be handed over later.
        """
        stops = self.stops if self.since is None else [*self.stops, (self.since, end)]
        return sum(min(end, till) - since for since, till in stops if since < end and till > begin)

    def add(self, value: int, seconds: float) -> None:
        """Count on to `value`, over the counter's end if it wrapped.

        Args:
            seconds: at most that many have passed since the last reading.

        Raises:
            ValueError: nothing draws so much in that time.
        """
        last, step = self.last_uj, self._checked(value) - self.last_uj
        if step < 0:
            if self.range_uj is None:
                raise ValueError(f"went back by {-step} uJ, and max_energy_range_uj is missing")
            step += self.range_uj
        if step > self.most_w * 1e6 * (seconds + LUMP_S):
            raise ValueError(
                f"went from {last} to {value} uJ in {seconds:.3g} s, which takes"
                f" {step / 1e6 / (seconds + LUMP_S):.3g} W where at most {self.most_w:.4g} W"
                " can be drawn"
            )
        self.total_uj += step
        self.last_uj = value

    def _checked(self, value: int) -> int:
        if not 0 <= value <= self.top_uj:
            raise ValueError(f"reads {value}; its range is 0 to {self.top_uj}")
        return value


class _Mark(NamedTuple):
    """A look at all counters: its first instant, its last one, and the CPU seconds until then."""

    began: float
    ended: float
    worked: float


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
        self._began = clock.monotonic()
        self._marks = (_Mark(self._began, self._began, clock.worked()),) * 2
        self._longest_s = 0.0
        self._asleep = clock.asleep()
        self._is_first = True
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
        turns = [c.turn_s / 2 for c in self._counters if c.turn_s >= SHORTEST_TURN_S]
        self.tick_s = min([*turns, LONGEST_TICK_S])
        self.domains: Sequence[Domain] = tuple(
            Domain(
                name=name,
                source="rapl",
                provenance="measured",
                resolution_j=RESOLUTION_J,
                period_s=PERIOD_S,
                note=sanitize(" + ".join(f"{zone.name}: {zone.energy}" for zone in zones)),
            )
            for name, zones in counters.domains.items()
        )

    @classmethod
    def find(cls, root: str | Path | None = None, *, clock: Clock = SYSTEM_CLOCK) -> RaplSource:
        """The counters under `root`, or of the system; it has no domains if there are none."""
        return cls(find_counters(powercap_root(root)), clock=clock)

    def after_fork(self) -> None:
        """In a child: another thread may have been reading when it was forked."""
        self._mutex = threading.Lock()

    def open(self) -> None:
        """Try again what was lost in an earlier window.

        In a series of short windows the last one has just looked whether the files are still
        there, so the first reading of this one needn't.
        """
        self._asleep = self._clock.asleep()
        self._is_first = True
        self._is_fresh = self._clock.monotonic() - self._looked < FRESH_S
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
        """Joules that were counted while a window was open."""
        joules: dict[str, float] = {}
        failed = False
        pread, fstat = os.pread, os.fstat
        fresh, self._is_fresh = self._is_fresh, False
        with self._mutex:
            first, self._is_first = self._is_first, False
            # A thread may be stopped between its look at the clock and that at the counter, so
            # that the time between two looks at a counter is known between two bounds.
            began_before, began = self._began, self._clock.monotonic()
            before, last = self._marks
            apart_s = began - last.ended
            marks = not first and apart_s >= APART_S
            busy_s = max(0.0, self._clock.worked() - last.worked) if marks else 0.0
            self._look_back(began - began_before, first)
            for counter in self._live:
                try:
                    value = int(pread(counter.fd, 64, 0))
                    if not fresh and not fstat(counter.fd).st_nlink:
                        value = counter.open()  # a removed file shows its last value for ever
                    if first:
                        counter.begin(value)
                    elif value != counter.last_uj:
                        counter.add(value, self._clock.monotonic() - began_before)
                    if marks:
                        counter.mark(apart_s, busy_s, before.began, self._clock.monotonic())
                except (OSError, ValueError) as error:
                    self._lose(counter, error)
                    failed = True
                    continue
                name = counter.domain
                joules[name] = joules.get(name, 0.0) + counter.total_uj / 1e6
            self._began = began
            if first or marks:
                mark = _Mark(began, self._clock.monotonic(), self._clock.worked())
                self._longest_s = 0.0 if first else max(self._longest_s, mark.ended - last.began)
                self._marks = (mark if first else last, mark)
            if failed:
                self._live = [c for c in self._live if c.domain not in self._lost]
            if not self._lost:
                return Reading(joules)
            lost = dict(self._lost)
        return Reading({n: j for n, j in joules.items() if n not in lost}, lost)

    def bounds_j(self, begin: float, end: float) -> Mapping[str, float]:
        """What a counter missed at the most that was seen of its part.

        That is the last update before either edge, and where it was seen to stand still all of that
        time, with the ticks before and after. A stop that no two looks have seen is not among it.
        """
        bounds: dict[str, float] = {}
        with self._mutex:
            tick_s = max(self._longest_s, end - self._marks[1].began, APART_S)
            for counter in self._live:
                stopped_s = counter.uncounted_s(begin, end) if counter.has_stopped else 0.0
                missed_s = 2 * PERIOD_S + (stopped_s + 2 * tick_s if stopped_s else 0.0)
                missed_j = missed_s * (counter.peak_w or counter.most_w)
                bounds[counter.domain] = bounds.get(counter.domain, 0.0) + missed_j
        return bounds

    def _look_back(self, seconds: float, first: bool) -> None:
        """What may have happened since the last reading, while a window was open."""
        asleep = self._clock.asleep()
        slept_s, self._asleep = asleep - self._asleep, asleep
        for counter in () if first else self._live:
            if slept_s > SHORTEST_SLEEP_S:  # it may begin anew, which would look like a wrap
                self._lose(counter, OSError(f"the machine was suspended for {slept_s:.0f} s"))
            elif seconds > counter.turn_s:
                why = f"not looked at for {seconds:.0f} s (a stopped process?): it may have wrapped"
                self._lose(counter, OSError(f"{why} unseen"))
        if self._lost:
            self._live = [c for c in self._live if c.domain not in self._lost]

    def _revive(self, counter: _Counter) -> None:
        try:
            counter.begin(counter.open())
        except (OSError, ValueError) as error:
            self._lose(counter, error)

    def _lose(self, counter: _Counter, error: Exception) -> None:
        why = str(error)
        if isinstance(error, PermissionError):
            ways = ways_out(counter.path, [counter.domain])
            why = f"permission denied: {counter.path}; {ways}"
        counter.shut()
        if str(counter.path) not in why:
            why = f"{counter.path}: {why}"
        self._lost.setdefault(counter.domain, Loss(sanitize(why), self._clock.monotonic()))
