"""Energy against a reference, one line a case: change, its interval, and what was allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_energybench.report import figures, units
from pytest_energybench.report.charts.scale import Scale, Tick
from pytest_energybench.report.text import LONGEST_NAME, plural, shorten
from pytest_energybench.report.view import WORST_FIRST, CaseView, Kind
from pytest_energybench.results.model import Comparison, Origin

MOST_ROWS = 60
_SAME = 0.002
_WIDEST = (-0.95, 4.0)
_FALLS = (-0.9, -0.75, -0.5, -0.4, -0.3, -0.2, -0.1, -0.05)
_RISES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0)
_MARKS = (*_FALLS, 0.0, *_RISES)
_HEADINGS: dict[Origin, tuple[str, str, str]] = {
    "baseline": ("Against the baseline of this run", "the group's baseline", "their baseline"),
    "stored": ("Against the stored baseline", "the stored baseline", "their stored baseline"),
    "budget": ("Against the budget", "the budget", "their budget"),
}


Judged = tuple[CaseView, Comparison, float]
"""A case, what it was judged against, and the relative change."""


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One case on the forest plot.

    Attributes:
        x: place of the change in percent of the axis; `low`, `high` of its interval's ends.
        limit: place of the most that was allowed, None where that is unknown or the reference.
        beyond: `left` or `right` where the change lies outside the axis.
        opens: whether a new group begins here.
    """

    case: CaseView
    kind: Kind
    x: float
    low: float | None
    high: float | None
    limit: float | None
    beyond: str
    opens: bool
    delta: str
    interval: str


@dataclass(frozen=True, slots=True)
class Forest:
    """A forest plot against one kind of reference.

    Attributes:
        zero: place of the reference itself, in percent.
        finding: what the plot shows, in a sentence.
        left_out: judged cases not drawn, all of them better than the ones drawn.
        time_ratio: some of the ratios are ratios of times.
    """

    key: str
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
    origins: tuple[Origin, ...] = ("stored", "baseline", "budget")
    return tuple(plot for origin in origins if (plot := _forest(cases, origin)) is not None)


def _forest(cases: Sequence[CaseView], origin: Origin) -> Forest | None:
    judged = [
        (case, comparison, delta)
        for case in cases
        for comparison in case.source.comparisons
        if comparison.origin == origin
        and comparison.quantity == "energy"
        and (delta := _change(case, comparison)) is not None
    ]
    if not judged:
        return None
    shown = judged
    if len(judged) > MOST_ROWS:
        shown = sorted(judged, key=lambda j: (WORST_FIRST.index(j[1].verdict.kind), -j[2]))
        shown = shown[:MOST_ROWS]
    scale = _scale(shown)
    heading, reference, whose = _HEADINGS[origin]
    return Forest(
        key=f"forest-{origin}",
        heading=heading,
        reference=reference,
        rows=tuple(
            _row(*entry, scale, opens=_opens(shown, index)) for index, entry in enumerate(shown)
        ),
        ticks=_ticks(scale),
        zero=scale.at(1.0),
        finding=_finding(judged, reference, whose),
        left_out=len(judged) - len(shown),
        time_ratio=origin != "budget" and any(case.time_ratio for case, _, _ in judged),
    )


def _change(case: CaseView, comparison: Comparison) -> float | None:
    delta = figures.finite(comparison.verdict.delta)
    if delta is not None:
        return delta
    if comparison.origin == "budget":
        return figures.relative_change(figures.joules(case.source), comparison.limit)
    return None


def _bounds(comparison: Comparison) -> tuple[float, float] | None:
    interval = comparison.verdict.interval
    if interval is None or not all(map(math.isfinite, interval)):
        return None
    return interval


def _allowed(case: CaseView, comparison: Comparison, delta: float) -> float | None:
    """The most that was allowed, relative to the reference: the stricter of margin and budget.

    None on the plot against a budget, where the reference itself is the limit.
    """
    if comparison.origin == "budget":
        return None
    allowed = [] if comparison.margin is None else [comparison.margin]
    energy = figures.joules(case.source)
    if energy and delta > -1:
        reference = energy / (1 + delta)
        limits = [c.limit for c in case.source.comparisons if _is_energy_budget(c)]
        if comparison.margin is None:
            limits.append(comparison.limit)
        known = [limit for value in limits if (limit := figures.finite(value)) is not None]
        allowed += [limit / reference - 1 for limit in known]
    return min(allowed, default=None)


def _is_energy_budget(comparison: Comparison) -> bool:
    return comparison.origin == "budget" and comparison.quantity == "energy"


def _scale(judged: Sequence[Judged]) -> Scale:
    """Logarithmic in the ratio, so that half and double lie equally far from no change."""
    values = [0.0]
    for case, comparison, delta in judged:
        values += [delta, *(_bounds(comparison) or ())]
        allowed = _allowed(case, comparison, delta)
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
        Tick(scale.at(1 + mark), units.percent(mark, uncertainty=1.0)) for mark in sorted(chosen)
    )


def _opens(judged: Sequence[Judged], index: int) -> bool:
    if index == 0:
        return False
    before, here = judged[index - 1][0].source.group, judged[index][0].source.group
    return here is not None and here != before


def _row(
    case: CaseView, comparison: Comparison, delta: float, scale: Scale, *, opens: bool
) -> ForestRow:
    bounds = _bounds(comparison)
    allowed = _allowed(case, comparison, delta)
    half = None if bounds is None else (bounds[1] - bounds[0]) / 2
    beyond = ""
    if not scale.low <= 1 + delta <= scale.high:
        beyond = "left" if 1 + delta < scale.low else "right"
    mark = units.ESTIMATE_MARK if case.estimated else ""
    return ForestRow(
        case=case,
        kind=comparison.verdict.kind,
        x=scale.at(1 + delta),
        low=None if bounds is None else scale.at(1 + bounds[0]),
        high=None if bounds is None else scale.at(1 + bounds[1]),
        limit=None if allowed is None or abs(allowed) < _SAME else scale.at(1 + allowed),
        beyond=beyond,
        opens=opens,
        delta=mark + units.percent(delta, uncertainty=half),
        interval=units.interval(bounds),
    )


def _finding(judged: Sequence[Judged], reference: str, whose: str) -> str:
    if len(judged) == 1:
        return f"{_named(judged[0])} against {reference}."
    below = sum(delta < 0 for _, _, delta in judged)
    ordered = sorted(judged, key=lambda entry: entry[2])
    least, most = ordered[0], ordered[-1]
    text = f"{below:,} of {plural(len(judged), 'case')} used less energy than {whose}"
    return f"{text}; lowest is {_named(least)}, highest {_named(most)}."


def _named(entry: Judged) -> str:
    case, _, delta = entry
    return f"{shorten(case.label, LONGEST_NAME)} at {units.percent(delta)}"
