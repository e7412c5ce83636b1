"""What a trained, compressed model takes where it is used, over the baseline: one figure a seed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import fmean
from typing import Final

from pytest_energybench.experiment.paper.matrix import Range
from pytest_energybench.results.model import Case

IN_TURN: Final = "joules over the baseline's"
"""Name of the curve of a case that ran in turn with the baseline: a point for each pair of rounds
whose figures are known."""


def in_turn(case: Case) -> Range | None:
    """The geometric mean over the seeds; None where a pair of rounds has no figure.

    The pairs of a seed are of one trained model: they are one sample, their mean.
    """
    by_seed: dict[int | None, list[float]] = {}
    found = 0
    for seed, ratio in _pairs(case):
        by_seed.setdefault(seed, []).append(math.log(ratio))
        found += 1
    if found < len(case.rounds):
        return None
    return Range.of([fmean(logs) for logs in by_seed.values()], math.exp)


def _pairs(case: Case) -> Iterator[tuple[int | None, float]]:
    """Seed and ratio of each pair; a curve begins at the first round of its seed."""
    for curve in case.series:
        if curve.name == IN_TURN and curve.round < len(case.rounds):
            for _, ratio in curve.points:
                yield case.rounds[curve.round].seed, ratio
