"""Joules from power that is only known at sampled instants."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from itertools import pairwise

MOST_POINTS = 1000
"""Points of a power curve that a window keeps."""


class PowerIntegral:
    """Power samples, and their integral by the trapezoid rule.

    Between two samples power is taken to change evenly. Where it really jumps, the true energy of
    that interval still lies between the lower and the higher sample times its length, as long as
    power goes one way in it. What can hide beyond that is a burst that begins and ends between two
    samples; one such burst, up to the most that the device may draw, is part of the error bound.
    """

    def __init__(self, limit_w: float = 0.0) -> None:
        """
        Args:
            limit_w: the most that can be drawn, in watts; the highest sample where it is higher.
        """
        self._limit_w = limit_w
        self._at: list[float] = []
        self._watts: list[float] = []
        self._joules: list[float] = []
        self._doubt_j: list[float] = []
        self._gap = True

    @property
    def joules(self) -> float:
        """Energy up to the last sample."""
        return self._joules[-1] if self._joules else 0.0

    @property
    def last_w(self) -> float | None:
        """Watts of the last sample; None if there is none."""
        return self._watts[-1] if self._watts else None

    def restart(self) -> None:
        """Nothing is known about the time until the next sample: no energy is counted for it.

        Samples of windows that are closed are forgotten.
        """
        self._gap = True
        for values in (self._at, self._watts, self._joules, self._doubt_j):
            del values[:-1]

    def add(self, at: float, watts: float) -> None:
        """A sample of `watts` at second `at`; one that isn't later than the last is ignored."""
        if not self._at:
            joules = doubt_j = 0.0
        else:
            seconds = at - self._at[-1]
            if seconds <= 0.0:
                return
            joules, doubt_j = self._joules[-1], self._doubt_j[-1]
            if not self._gap:
                joules += seconds * (watts + self._watts[-1]) / 2
                doubt_j += seconds * abs(watts - self._watts[-1]) / 2
        self._gap = False
        self._at.append(at)
        self._watts.append(watts)
        self._joules.append(joules)
        self._doubt_j.append(doubt_j)

    def energy_j(self, begin: float, end: float) -> float:
        """Joules between two sampled instants."""
        first, last = self._span(begin, end)
        return self._joules[last] - self._joules[first]

    def error_j(self, begin: float, end: float) -> float:
        """How far `energy_j` may be off, in joules, either way."""
        first, last = self._span(begin, end)
        if first == last:
            return 0.0
        watts = self._watts[first : last + 1]
        instants = self._at[first : last + 1]
        longest_s = max(after - before for before, after in pairwise(instants))
        hidden_j = longest_s * (max(self._limit_w, *watts) - min(watts))
        return self._doubt_j[last] - self._doubt_j[first] + hidden_j

    def unseen_j(self, begin: float, end: float, share: float) -> float:
        """How far `energy_j` may be off, in joules, where the device looks at its power only part
        of the time.

        In the time that it didn't look at, power is taken to be anything between the lowest and the
        highest sample of the window. Power that changes in step with the device's looks may show
        in no sample.

        Args:
            share: of the time that it doesn't look at, 0 to 1.
        """
        first, last = self._span(begin, end)
        seconds = self._at[last] - self._at[first]
        if seconds <= 0.0:
            return 0.0
        watts = self._watts[first : last + 1]
        mean_w = (self._joules[last] - self._joules[first]) / seconds
        return share * seconds * max(max(watts) - mean_w, mean_w - min(watts))

    def longest_gap_s(self, begin: float, end: float) -> float:
        """The longest time between two samples, in seconds."""
        first, last = self._span(begin, end)
        return max(
            (after - before for before, after in pairwise(self._at[first : last + 1])), default=0.0
        )

    def count(self, begin: float, end: float) -> int:
        """Samples between two instants, both included."""
        first, last = self._span(begin, end)
        return last - first + 1

    def samples(self, begin: float, end: float) -> Sequence[tuple[float, float]]:
        """(seconds since `begin`, watts); at most 1000 points, evenly picked."""
        first, last = self._span(begin, end)
        step = -(-(last - first + 1) // MOST_POINTS)
        return [(self._at[i] - begin, self._watts[i]) for i in range(first, last + 1, step)]

    def _span(self, begin: float, end: float) -> tuple[int, int]:
        """Indices of the first sample at or after `begin` and the last one to belong to `end`.

        A window's edge is read just after its instant, so the sample after `end` is its edge.
        """
        first = min(bisect.bisect_left(self._at, begin), len(self._at) - 1)
        last = min(bisect.bisect_left(self._at, end), len(self._at) - 1)
        return first, last
