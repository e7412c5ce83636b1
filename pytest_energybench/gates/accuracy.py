"""Accuracy: the point rule that gates, and the bound that says how much images can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeGuard

from pytest_energybench.gates.quantity import format_points
from pytest_energybench.gates.statistics import CONFIDENCE
from pytest_energybench.results.model import Comparison, Scalar, Verdict, VerdictKind

_ROUNDING = 1e-9
"""Slack at a limit: 0.985 - 0.975 is a hair above 0.01 in floating point, and passes at 0.01."""


@dataclass(frozen=True, slots=True)
class Score:
    """An accuracy and, where they are known, the counts it comes from.

    Attributes:
        accuracy: fraction of right answers, 0 to 1.
        correct: right answers.
        total: answers asked for.
    """

    accuracy: float
    correct: int | None = None
    total: int | None = None

    @classmethod
    def of_counts(cls, correct: int, total: int) -> Score:
        """The score of `correct` right answers out of `total`.

        Raises:
            ValueError: the counts can't belong together.
        """
        if not 0 <= correct <= total or total == 0:
            raise ValueError(f"{correct} of {total} is no accuracy")
        return cls(correct / total, correct, total)

    @classmethod
    def recorded(cls, metrics: Mapping[str, Scalar]) -> Score | None:
        """What a case recorded: its counts where they can be, else its accuracy; or None."""
        correct, total = metrics.get("correct"), metrics.get("total")
        if _is_count(correct) and _is_count(total) and 0 <= correct <= total != 0:
            return cls.of_counts(correct, total)
        accuracy = metrics.get("accuracy")
        if isinstance(accuracy, bool) or not isinstance(accuracy, int | float):
            return None
        return cls(float(accuracy))

    @property
    def valid(self) -> bool:
        """Whether the figure can be an accuracy at all."""
        return math.isfinite(self.accuracy) and 0 <= self.accuracy <= 1


def _is_count(value: Scalar) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def judge_accuracy(
    candidate: Score | None,
    baseline: Score | None,
    max_drop: float,
    *,
    nodeid: str | None = None,
) -> Comparison:
    """The point rule: the accuracy may drop by `max_drop` (absolute; 0.01 is one point).

    The verdict's `delta` is the difference of the accuracies; its `interval`, where the counts of
    both are known, the one-sided 95 % bounds of that difference, which are told and don't gate.

    Args:
        nodeid: the baseline's case.
    """
    return Comparison(
        origin="baseline",
        nodeid=nodeid,
        quantity="accuracy",
        limit=max_drop,
        verdict=_against(candidate, baseline, max_drop),
    )


def judge_accuracy_floor(
    candidate: Score | None, minimum: float, *, source: str = ""
) -> Comparison:
    """An accuracy against a stated minimum, a fraction; `within` at or above it.

    Args:
        source: where the minimum is stated, for the message.
    """
    return Comparison(
        origin="budget",
        quantity="accuracy",
        limit=minimum,
        verdict=_above(candidate, minimum, source),
    )


def difference_bounds(candidate: Score, baseline: Score) -> tuple[float, float] | None:
    """One-sided 95 % lower and upper bound of the difference of two accuracies, or None.

    Newcombe's hybrid of Wilson score limits for two independent samples (method 10 in "Interval
    estimation for the difference between independent proportions", Statistics in Medicine 17,
    1998). Both models see the same images, so the true bounds are tighter: these err on the safe
    side. None where a count is not known.
    """
    if candidate.total is None or baseline.total is None:
        return None
    low_c, high_c = _wilson(candidate.accuracy, candidate.total)
    low_b, high_b = _wilson(baseline.accuracy, baseline.total)
    difference = candidate.accuracy - baseline.accuracy
    return (
        difference - math.hypot(candidate.accuracy - low_c, high_b - baseline.accuracy),
        difference + math.hypot(high_c - candidate.accuracy, baseline.accuracy - low_b),
    )


def _wilson(p: float, total: int) -> tuple[float, float]:
    """Wilson's score limits, each one-sided at 95 % (J. Am. Stat. Assoc. 22, 1927)."""
    z = NormalDist().inv_cdf(CONFIDENCE)
    centre = p + z * z / (2 * total)
    reach = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return (centre - reach) / scale, (centre + reach) / scale


def _against(candidate: Score | None, baseline: Score | None, max_drop: float) -> Verdict:
    if candidate is None or not candidate.valid:
        return Verdict(kind="error", reason="the case's accuracy is not known")
    if baseline is None or not baseline.valid:
        return Verdict(kind="error", reason="the baseline's accuracy is not known")
    delta = candidate.accuracy - baseline.accuracy
    passed = -delta <= max_drop + _ROUNDING
    kind: VerdictKind = "regressed" if not passed else "improved" if delta > 0 else "within"
    rule = "keeps within {} points of" if passed else "drops by more than {} points from"
    reason = (
        f"accuracy {candidate.accuracy:.4f} {rule.format(f'{100 * max_drop:.4g}')} "
        f"the baseline's {baseline.accuracy:.4f}: {format_points(delta)}"
    )
    interval = difference_bounds(candidate, baseline)
    return Verdict(kind=kind, reason=reason, delta=delta, interval=interval)


def _above(candidate: Score | None, minimum: float, source: str) -> Verdict:
    if candidate is None or not candidate.valid:
        return Verdict(kind="error", reason="the case's accuracy is not known")
    passed = candidate.accuracy >= minimum - _ROUNDING
    delta = candidate.accuracy - minimum
    reason = (
        f"accuracy {candidate.accuracy:.4f} {'reaches' if passed else 'is below'} "
        f"the minimum of {minimum:.4f}{f' ({source})' if source else ''}: {format_points(delta)}"
    )
    return Verdict(kind="within" if passed else "regressed", reason=reason, delta=delta)
