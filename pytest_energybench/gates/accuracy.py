"""Accuracy: the point rule that gates, and the bound that says how much images can tell."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import TypeGuard

from msgspec.structs import replace

from pytest_energybench.gates.figures import known_as
from pytest_energybench.gates.quantities import accuracies, drop, in_points
from pytest_energybench.gates.results import conclude
from pytest_energybench.gates.statistics import (
    CONFIDENCE,
    NO_PAIRS,
    make_no_pairs,
    mean_bounds,
    paired_by_seed,
)
from pytest_energybench.results.answers import BLOCK_ACCURACY, by_block, unpack
from pytest_energybench.results.model import (
    ACCURACY_LOST,
    NOT_COMPARABLE,
    NOT_MEASURED,
    TOO_NOISY,
    Case,
    Comparison,
    Finding,
    Reference,
    Scalar,
)

_ROUNDING = 1e-9
"""Slack at a limit: 0.985 - 0.975 is a hair above 0.01 in floating point, and passes at 0.01."""


@dataclass(frozen=True, slots=True)
class Score:
    """An accuracy and, where they are known, the counts it comes from.

    Attributes:
        accuracy: fraction of right answers, 0 to 1.
        correct: right answers.
        total: answers asked for.
        rounds: the accuracy of each independent round, where there are several.
        seeds: the seed of each of those rounds.
        answers: number of items, and a bit for each that was answered rightly.
        blocks: the accuracy in each block of a text, whose tokens are not independent.
    """

    accuracy: float
    correct: int | None = None
    total: int | None = None
    rounds: tuple[float, ...] = ()
    seeds: tuple[int | None, ...] = ()
    answers: tuple[int, int] | None = None
    blocks: tuple[float, ...] = ()

    @classmethod
    def of(cls, case: Case) -> Score | None:
        """What a case recorded: of several rounds their mean, of one its counts and answers, too.
        None where it is not known, be it of one round alone."""
        found = [cls.recorded(each.metrics) for each in case.rounds]
        each_round = tuple(score.accuracy for score in found if score is not None)
        if 0 < len(each_round) < len(found):
            return None  # of some rounds it is not known
        if len(each_round) > 1:
            seeds = tuple(each.seed for each in case.rounds)
            return cls(fmean(each_round), rounds=each_round, seeds=seeds)
        score = cls.recorded(case.metrics)
        if score is None or score.total is None or len(case.rounds) != 1:
            return score
        if blocks := by_block(case, BLOCK_ACCURACY):
            return dataclasses.replace(score, blocks=blocks)
        answers = unpack(case.rounds[0].answers)
        belong = answers is not None and score.counted == (answers[1].bit_count(), answers[0])
        return dataclasses.replace(score, answers=answers) if belong else score

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
    def counted(self) -> tuple[int | None, int | None]:
        """Right answers, and answers asked for."""
        return self.correct, self.total

    @property
    def valid(self) -> bool:
        """Whether the figure can be an accuracy at all."""
        return math.isfinite(self.accuracy) and 0 <= self.accuracy <= 1


def _is_count(value: Scalar) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def judge_group_accuracy(case: Case, reference: Case, max_drop: float) -> Comparison:
    """A case's accuracy against that of its group's reference; see `judge_accuracy`."""
    return judge_accuracy(
        Score.of(case),
        Score.of(reference),
        max_drop,
        name=known_as(reference, case),
        nodeid=reference.nodeid,
    )


def judge_accuracy(
    candidate: Score | None,
    reference: Score | None,
    max_drop: float,
    *,
    name: str = "",
    nodeid: str | None = None,
    against: Reference = "group",
) -> Comparison:
    """The accuracy may drop by `max_drop` (absolute; 0.01 is one point).

    Two pairs of rounds or more: one-sided 95 % t bounds of the mean difference. Rounds are pairs by
    their seeds, else in their order where there are as many of each; several of both that are no
    pairs decide nothing. Else the point rule; bounds are then told beside it where answers or
    counts of both are known, and don't gate.

    Args:
        name: what the reference is called, empty where it is a stated number; `nodeid` is its case.
    """
    owner = f"{name}'s" if name else "the stated"
    made = Comparison(
        reference=against,
        name=name,
        nodeid=nodeid,
        quantity="accuracy",
        finding="undecided",
        margin=max_drop,
    )
    for score, whose in ((candidate, "the case's"), (reference, owner)):
        if score is None or not score.valid:
            judged = conclude(NOT_MEASURED, f"{whose} accuracy is not known")
            return replace(made, judged=judged)
    assert candidate is not None
    assert reference is not None
    ours, theirs = candidate.accuracy, reference.accuracy
    lower = upper = change = ours - theirs
    n = 1 if reference.rounds or name else max(1, len(candidate.rounds))
    method, bounds = "threshold", difference_bounds(candidate, reference)
    pairs = paired_by_seed(candidate.seeds, candidate.rounds, reference.seeds, reference.rounds)
    if len(pairs) > 1:
        ours, theirs = map(fmean, zip(*pairs, strict=True))
        differences = [a - b for a, b in pairs]
        change = fmean(differences)
        lower, upper = bounds = mean_bounds(differences)
        n, method = len(pairs), "paired"
    finding, rule, reason = "undecided", "is not shown to keep within {} of", TOO_NOISY
    if make_no_pairs(pairs, candidate.rounds, reference.rounds):
        lower, upper, reason = -math.inf, math.inf, NOT_COMPARABLE
        n, method = len(pairs), "paired"
    if upper < -max_drop - _ROUNDING:
        finding, rule, reason = "lost", "drops by more than {} from", ACCURACY_LOST
    elif lower >= -max_drop - _ROUNDING:
        is_better = bounds is not None and bounds[0] > 0
        finding, rule, reason = "better" if is_better else "kept", "keeps within {} of", ""
    shown, its = accuracies(ours, theirs, fewest=4)
    text = f"accuracy {shown} {rule.format(drop(max_drop))} {owner} {its}: {in_points(change)}"
    if reason == NOT_COMPARABLE:
        text += NO_PAIRS
    return replace(
        made,
        finding=finding,
        limit=theirs - max_drop,
        estimate=change,
        interval=bounds,
        method=method,
        n=n,
        judged=conclude(reason, text),
    )


def judge_accuracy_floor(
    candidate: Score | None, minimum: float, *, source: str = ""
) -> Comparison:
    """An accuracy against a stated minimum, a fraction: it holds at or above it.

    Args:
        source: where the minimum is stated.
    """
    change = None
    finding: Finding = "undecided"
    if candidate is None or not candidate.valid:
        judged = conclude(NOT_MEASURED, "the case's accuracy is not known")
    else:
        finding = "kept" if candidate.accuracy >= minimum - _ROUNDING else "lost"
        change = candidate.accuracy - minimum
        ours, least = accuracies(candidate.accuracy, minimum, fewest=4)
        judged = conclude(
            "" if finding == "kept" else ACCURACY_LOST,
            f"accuracy {ours} "
            f"{'reaches' if finding == 'kept' else 'is below'} the minimum of {least}"
            f"{f' ({source})' if source else ''}: {in_points(change)}",
        )
    return Comparison(
        reference="budget",
        name=source,
        quantity="accuracy",
        finding=finding,
        limit=minimum,
        estimate=change,
        n=max(1, len(candidate.rounds)) if candidate is not None else 1,
        judged=judged,
    )


def difference_bounds(candidate: Score, reference: Score) -> tuple[float, float] | None:
    """One-sided 95 % lower and upper bound of the difference of two accuracies, or None.

    Of a text t bounds over its blocks. Where the answers of both are known, item by item,
    `mcnemar_bounds`. Else Newcombe's hybrid of
    Wilson score limits for two independent samples (method 10 in "Interval estimation for the
    difference between independent proportions", Statistics in Medicine 17, 1998). Where both models
    saw the same images the true bounds are tighter: these err on the safe side. None where a count
    is not known.
    """
    ours, theirs = candidate.answers, reference.answers
    if candidate.blocks or reference.blocks:
        pairs = list(zip(candidate.blocks, reference.blocks, strict=False))
        alike = len(candidate.blocks) == len(reference.blocks) > 1
        return mean_bounds([a - b for a, b in pairs]) if alike else None
    if ours is not None and theirs is not None and ours[0] == theirs[0]:
        gained, lost = ours[1] & ~theirs[1], theirs[1] & ~ours[1]
        return mcnemar_bounds(gained.bit_count(), lost.bit_count(), ours[0])
    if candidate.total is None or reference.total is None:
        return None
    low_c, high_c = _wilson(candidate.accuracy, candidate.total)
    low_r, high_r = _wilson(reference.accuracy, reference.total)
    difference = candidate.accuracy - reference.accuracy
    return (
        difference - math.hypot(candidate.accuracy - low_c, high_r - reference.accuracy),
        difference + math.hypot(high_c - candidate.accuracy, reference.accuracy - low_r),
    )


def mcnemar_bounds(gained: int, lost: int, total: int) -> tuple[float, float]:
    """One-sided 95 % bounds of the difference of two accuracies on the same `total` items.

    Tango's score limits ("Equivalence test and confidence interval for the difference in
    proportions for the paired-sample design", Statistics in Medicine 17, 1998): the differences
    that his test does not reject. Of no difference it is McNemar's test (Psychometrika 12, 1947).

    Args:
        gained: items that only the candidate answered rightly.
        lost: items that only the reference answered rightly.
    """
    z = NormalDist().inv_cdf(CONFIDENCE)

    def score(difference: float) -> float:
        """Standard errors that the counts lie above `difference`; it falls as that grows."""
        above = gained - lost - total * difference
        b = (2 * total - gained + lost) * difference - gained - lost
        c = -lost * difference * (1 - difference)
        share = (math.sqrt(max(0.0, b * b - 8 * total * c)) - b) / (4 * total)
        variance = total * (2 * share + difference * (1 - difference))
        return above / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, above)

    def where(level: float, low: float, high: float) -> float:
        for _ in range(60):  # halving: more than the digits of a float
            middle = (low + high) / 2
            low, high = (middle, high) if score(middle) > level else (low, middle)
        return (low + high) / 2

    change = (gained - lost) / total
    return where(z, -1.0, change), where(-z, change, 1.0)


def _wilson(p: float, total: int) -> tuple[float, float]:
    """Wilson's score limits, each one-sided at 95 % (J. Am. Stat. Assoc. 22, 1927)."""
    z = NormalDist().inv_cdf(CONFIDENCE)
    centre = p + z * z / (2 * total)
    reach = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return (centre - reach) / scale, (centre + reach) / scale
