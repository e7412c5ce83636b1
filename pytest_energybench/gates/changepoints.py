"""Where a series of runs has changed its level: pure figures, oldest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from pytest_energybench.gates.statistics import RISK, relative, student_t_tail

LEAST = 2
"""Runs on either side of a change: one run alone may be an outlier."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A change of level.

    Attributes:
        index: of the first run at the new level.
        change: relative, of the new level over the one before.
    """

    index: int
    change: float


def change_points(values: Sequence[float]) -> list[ChangePoint]:
    """The changes of level in a series of energies above 0.

    Binary segmentation on logs (Scott & Knott, Biometrics 30, 1974): the split with the largest
    Student's t between its sides is a change if its p-value, times the number of splits that were
    tried and two for its sign (Bonferroni), is at most 5 %; then the same on either side of it.
    """
    logs = [math.log(value) for value in values]
    if not logs:
        return []
    edges = [0, *sorted(_splits(logs, 0)), len(logs)]
    levels = [fmean(logs[begin:end]) for begin, end in pairwise(edges)]
    return [
        ChangePoint(edges[number], relative(levels[number] - levels[number - 1]))
        for number in range(1, len(levels))
    ]


def _splits(logs: Sequence[float], offset: int) -> Iterator[int]:
    n = len(logs)
    tried = range(LEAST, n - LEAST + 1)
    if not tried:
        return
    place = max(tried, key=lambda at: _t(logs, at))
    p = 2 * len(tried) * student_t_tail(_t(logs, place), n - 2)
    if p <= RISK:
        yield from _splits(logs[:place], offset)
        yield offset + place
        yield from _splits(logs[place:], offset + place)


_ROUNDING = 1e-9


def _t(logs: Sequence[float], at: int) -> float:
    """Student's t of two samples with one variance; a level is never known better than to a
    rounding error."""
    left, right = logs[:at], logs[at:]
    means = fmean(left), fmean(right)
    squares = sum(
        math.fsum((value - mean) ** 2 for value in side)
        for side, mean in zip((left, right), means, strict=True)
    )
    variance = squares / (len(logs) - 2) * (1 / len(left) + 1 / len(right))
    return abs(means[1] - means[0]) / (math.sqrt(variance) + _ROUNDING)
