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
    before, after = list(_levels(logs)), list(_levels(logs[::-1]))
    found = {at: _t(before[at], after[n - at], at, n) for at in tried}
    place = max(tried, key=found.__getitem__)
    p = 2 * len(tried) * student_t_tail(found[place], n - 2)
    if p <= RISK:
        yield from _splits(logs[:place], offset)
        yield offset + place
        yield from _splits(logs[place:], offset + place)


def _levels(logs: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Mean of the first 0, 1, 2, ... values, and the sum of their squared distances from it
    (Welford, Technometrics 4, 1962)."""
    mean = squares = 0.0
    yield mean, squares
    for number, value in enumerate(logs, start=1):
        step = value - mean
        mean += step / number
        squares += step * (value - mean)
        yield mean, squares


_ROUNDING = 1e-9


def _t(left: tuple[float, float], right: tuple[float, float], at: int, n: int) -> float:
    """Student's t of two samples with one variance; a level is never known better than to a
    rounding error.

    Args:
        left, right: mean and sum of squares of the first `at` of `n` values, and of the others.
    """
    variance = (left[1] + right[1]) / (n - 2) * (1 / at + 1 / (n - at))
    return abs(right[0] - left[0]) / (math.sqrt(variance) + _ROUNDING)
