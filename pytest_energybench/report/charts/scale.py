"""Scales: where a value lies in percent of an axis, and which round values to mark on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tick:
    """A marked value: its place in percent of the axis, and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Linear or logarithmic map of [low, high] to 0..100; beyond it values lie on the edge."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """Place of a value in percent, one decimal (a tenth of a pixel on a small chart)."""
        low, high, value = map(self._bend, (self.low, self.high, max(value, self._floor())))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(100 * min(1.0, max(0.0, share)), 1)

    def ticks(self, label: Callable[[float], str], count: int = 5) -> tuple[Tick, ...]:
        """About `count` round values inside the scale."""
        values = _log_ticks(self.low, self.high) if self.log else nice(self.low, self.high, count)
        while len(values) > count + 1:
            values = values[::2]
        return tuple(Tick(self.at(value), label(value)) for value in values)

    def _bend(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _floor(self) -> float:
        return self.low if self.log else -math.inf


def nice(low: float, high: float, count: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten inside [low, high] (Heckbert, 1990)."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        values = [f * 10.0**d for d in decades for f in factors if low <= f * 10.0**d <= high]
        if len(values) >= 3:
            return values
    return nice(low, high, 4)


def around(values: Iterable[float], margin: float = 0.06) -> Scale:
    """A linear scale over the values with some air."""
    known = list(values)
    low, high = min(known, default=0.0), max(known, default=1.0)
    air = (high - low) * margin or abs(high) * margin or 1.0
    return Scale(low - air, high + air)


def magnitudes(values: Iterable[float]) -> Scale:
    """A scale for positive values: logarithmic where they span more than a factor of eight."""
    known = [value for value in values if value > 0]
    if not known:
        return Scale(0.0, 1.0)
    low, high = min(known), max(known)
    return Scale(low / 1.25, high * 1.25, log=True) if high > 8 * low else around(known, 0.08)
