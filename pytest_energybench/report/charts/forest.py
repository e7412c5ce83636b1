"""Energy against a reference, one line a case: change, its interval, and what was allowed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.report import answers, figures
from pytest_energybench.report.charts.scale import Scale, Tick
from pytest_energybench.report.text import LONGEST_NAME, listed, plural, shorten
from pytest_energybench.report.view import EST, CaseView, ComparisonView
from pytest_energybench.results.model import Comparison

MOST_ROWS = 60
_SAME = 0.002
_WIDEST = (-0.95, 4.0)
_FALLS = (-0.9, -0.75, -0.5, -0.4, -0.3, -0.2, -0.1, -0.05)
_RISES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0)
_MARKS = (*_FALLS, 0.0, *_RISES)
_HEADINGS = {
    kind: (f"Against {reference}", reference)
    for kind, reference in (
        ("stored", "the stored run"),
        ("group", "the group's reference"),
        ("pair", "the other function of the test"),
        ("budget", "the budget"),
    )
}
_FINDINGS = ("more", "higher", "unclear", "same", "lower", "less")


Judged = tuple[CaseView, Comparison, float]
"""A case, what it was judged against, and the relative change."""


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One case on the forest plot.

    Attributes:
        shown: the comparison in words.
        x: place of the change in percent of the axis; `low`, `high` of its interval's ends.
        limit: place of the most that was allowed, None where that is unknown or the reference.
        beyond: `left` or `right` where the change lies outside the axis.
        opens: heading of the group that begins here; empty inside one.
    """

    case: CaseView
    shown: ComparisonView
    finding: str
    x: float
    low: float | None
    high: float | None
    limit: float | None
    beyond: str
    opens: str
    delta: str
    interval: str


@dataclass(frozen=True, slots=True)
class Forest:
    """A forest plot against one kind of reference.

    Attributes:
        against: `stored`, `group`, `pair` or `budget`.
        zero: place of the reference itself, in percent.
        finding: what the plot shows, in a sentence.
        left_out: judged cases not drawn, all of them better than the ones drawn.
        time_ratio: all ratios drawn are ratios of times; else each of an estimate is marked.
    """

    key: str
    against: str
    heading: str
    reference: str
    rows: tuple[ForestRow, ...]
    ticks: tuple[Tick, ...]
    zero: float
    finding: str
    left_out: int
    time_ratio: bool


def forests(cases: Sequence[CaseView]) -> tuple[Forest, ...]:
    """One plot for each kind of reference that any case was judged against."""
    return tuple(plot for each in _HEADINGS if (plot := _forest(cases, each)) is not None)


def _forest(cases: Sequence[CaseView], against: str) -> Forest | None:
    judged = [
        (case, comparison, delta)
        for case in cases
        for comparison in case.source.comparisons
        if answers.kind_of_reference(comparison) == against
        and (comparison.quantity, comparison.window) == ("energy", "")
        and (delta := figures.finite(comparison.estimate)) is not None
    ]
    if not judged:
        return None
    shown = judged
    if len(judged) > MOST_ROWS:
        shown = sorted(judged, key=_worst_first)
        shown = shown[:MOST_ROWS]
    scale = _scale(shown)
    heading, reference = _HEADINGS[against]
    time_ratio = all(_in_words(case, comparison).time_ratio for case, comparison, _ in judged)
    return Forest(
        key=f"forest-{against}",
        against=against,
        heading=heading,
        reference=reference,
        rows=tuple(
            _row(*entry, scale, opens=_opens(shown, index), mark="" if time_ratio else EST)
            for index, entry in enumerate(shown)
        ),
        ticks=_ticks(scale),
        zero=scale.at(1.0),
        finding=_finding(judged, reference, len(cases), "" if time_ratio else EST),
        left_out=len(judged) - len(shown),
        time_ratio=time_ratio,
    )


def _worst_first(judged: Judged) -> tuple[int, float]:
    _, comparison, delta = judged
    finding = comparison.finding
    return _FINDINGS.index(finding) if finding in _FINDINGS else -1, -delta


def _bounds(comparison: Comparison) -> tuple[float, float] | None:
    interval = comparison.interval
    if interval is None or not all(map(math.isfinite, interval)):
        return None
    return interval


def _allowed(comparison: Comparison) -> float | None:
    """The most that was allowed, relative to the reference; None where that is the limit itself,
    or nobody asked."""
    asked = comparison.reference != "budget" and comparison.judged is not None
    return comparison.margin if asked else None


def _scale(judged: Sequence[Judged]) -> Scale:
    """Logarithmic in the ratio, so that half and double lie equally far from no change."""
    values = [0.0]
    for _, comparison, delta in judged:
        values += [delta, *(_bounds(comparison) or ())]
        allowed = _allowed(comparison)
        values += [] if allowed is None else [allowed]
    low, high = max(min(values), _WIDEST[0]), min(max(values), _WIDEST[1])
    return Scale((1 + low) / 1.06, (1 + high) * 1.06, log=True)


def _ticks(scale: Scale) -> tuple[Tick, ...]:
    inside = [mark for mark in _MARKS if scale.low <= 1 + mark <= scale.high]
    chosen: list[float] = []
    for mark in sorted(inside, key=lambda mark: (mark != 0, -abs(mark))):
        if all(abs(scale.at(1 + mark) - scale.at(1 + other)) > 17 for other in chosen):
            chosen.append(mark)
    return tuple(
        Tick(scale.at(1 + mark), quantities.percent(mark, uncertainty=1.0))
        for mark in sorted(chosen)
    )


def _opens(judged: Sequence[Judged], index: int) -> str:
    heading = judged[index][0].heading
    return "" if index and judged[index - 1][0].heading == heading else heading


def _in_words(case: CaseView, comparison: Comparison) -> ComparisonView:
    rules = zip(case.source.comparisons, case.comparisons, strict=True)
    return next(shown for made, shown in rules if made is comparison)


def _row(
    case: CaseView, comparison: Comparison, delta: float, scale: Scale, *, opens: str, mark: str
) -> ForestRow:
    bounds = _bounds(comparison)
    allowed = _allowed(comparison)
    half = None if bounds is None else (bounds[1] - bounds[0]) / 2
    beyond = ""
    if not scale.low <= 1 + delta <= scale.high:
        beyond = "left" if 1 + delta < scale.low else "right"
    return ForestRow(
        case=case,
        shown=_in_words(case, comparison),
        finding=comparison.finding if comparison.finding in _FINDINGS else "unclear",
        x=scale.at(1 + delta),
        low=None if bounds is None else scale.at(1 + bounds[0]),
        high=None if bounds is None else scale.at(1 + bounds[1]),
        limit=None if allowed is None or abs(allowed) < _SAME else scale.at(1 + allowed),
        beyond=beyond,
        opens=opens,
        delta=quantities.change(delta, half) + mark * case.estimated,
        interval=quantities.interval(bounds),
    )


def _finding(judged: Sequence[Judged], reference: str, number: int, mark: str) -> str:
    found = Counter(comparison.finding for _, comparison, _ in judged)
    words = listed([f"{count:,} {sanitize(word)}" for word, count in found.most_common()])
    cases = len({case.key for case, _, _ in judged})
    what = plural(cases, "case")
    if len(judged) > cases:
        what = f"{len(judged):,} comparisons of {what}"
    rest = number - cases
    others = f", {rest:,} of the run's {number:,} not" if rest else ""
    ordered = sorted(judged, key=lambda entry: entry[2])
    text = f"{what} compared with {reference}{others}: {words}"
    if len(judged) == 1:
        text += f", {_named(judged[0], mark)}"
    else:
        text += f"; lowest is {_named(ordered[0], mark)}, highest {_named(ordered[-1], mark)}"
    return f"{text.removesuffix('.')}."


def _named(entry: Judged, mark: str) -> str:
    case, _, delta = entry
    change = quantities.percent(delta) + mark * case.estimated
    return f"{shorten(case.label, LONGEST_NAME)} at {change}"
