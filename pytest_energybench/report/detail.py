"""What a case's row unfolds to: rounds, domains, curves and search, ready to be painted."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pytest_energybench.base.domains import kind_of
from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.report import answers, figures
from pytest_energybench.report.charts.scale import Scale, around
from pytest_energybench.report.provenance import scalar_rows
from pytest_energybench.report.text import plural
from pytest_energybench.report.view import CaseView
from pytest_energybench.results.model import Case, Provenance, Scalar, Search, Series

_KINDS = ("gpu", "cpu", "dram", "ram")
_MOST_POINTS = 120
_TIMES = ("s", "ms", "min", "h")
_PLACES = {
    "counted": "",
    "inner": ", inside another window",
    "beside": ", kept outside the case's energy",
}


@dataclass(frozen=True, slots=True)
class Rounds:
    """Rounds as dots between the lowest and the highest of both; places in percent.

    Attributes:
        reference: those of the case that was compared with, drawn beneath; `name` is what it is
            called.
    """

    dots: tuple[float, ...]
    median: float
    reference: tuple[float, ...]
    name: str
    finding: str


@dataclass(frozen=True, slots=True)
class DomainPart:
    """A domain's part of a case's energy; `start` and `share` in percent of all, `share_text` is
    empty where another domain was lost: then nobody knows what all is."""

    domain: str
    kind: str
    joules: str
    start: float
    share: float
    share_text: str
    provenance: Provenance | None


@dataclass(frozen=True, slots=True)
class Curve:
    """A line in a box of 100 by 100 with its y axis upwards, and what its edges stand for.

    Attributes:
        line: points of an SVG polyline.
        dots: the points themselves where they are few.
        found: place of the found value (percent across), on a search's curve.
    """

    heading: str
    line: str
    dots: tuple[tuple[float, float], ...]
    found: float | None
    x_low: str
    x_high: str
    y_low: str
    y_high: str
    finding: str


@dataclass(frozen=True, slots=True)
class SearchView:
    """What a search found and cost, and after how many trainings it has paid.

    Of several in one case the last one says it for all; `pays` of the others is None.
    """

    curve: Curve | None
    found: str
    cost: str
    pays: str | None


@dataclass(frozen=True, slots=True)
class CaseDetail:
    """All that a row unfolds to."""

    rounds: Rounds | None
    domains: tuple[DomainPart, ...]
    curves: tuple[Curve, ...]
    searches: tuple[SearchView, ...]
    params: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, str], ...]
    windows: tuple[tuple[str, str], ...]
    flags: tuple[str, ...]
    errors: tuple[str, ...]


def case_detail(view: CaseView) -> CaseDetail:
    """The details of one case."""
    case = view.source
    return CaseDetail(
        rounds=_rounds(view),
        domains=_domains(case),
        curves=_curves(case),
        searches=() if case.search is None else _searches(case, case.search, view.estimated),
        params=scalar_rows(case.params),
        metrics=scalar_rows({**case.metrics, **_counts(case)}),
        windows=_windows(case, view.estimated),
        flags=tuple(map(sanitize, figures.flags(case))),
        errors=tuple(map(sanitize, case.errors)),
    )


def _counts(case: Case) -> dict[str, Scalar]:
    return {f"count of {unit}": count for unit, count in case.units.items()}


def _rounds(view: CaseView) -> Rounds | None:
    totals = figures.round_totals(view.source)
    if len(totals) < 2:
        return None
    alike = (each for each in view.source.comparisons if each.reference_j and not each.unit)
    compared = next(alike, None)
    theirs = list(compared.reference_j) if compared is not None else []
    scale = around([*totals, *theirs])
    middle = statistics.median(totals)
    finding = _spread(totals, view.estimated)
    name = sanitize(compared.name) if compared is not None else ""
    if theirs:
        noun = "run" if compared is not None and answers.of_runs(compared) else "round"
        finding += f"; beneath, hollow, {name}: {_spread(theirs, view.estimated, noun)}"
    return Rounds(
        dots=tuple(map(scale.at, totals)),
        median=scale.at(middle),
        reference=tuple(map(scale.at, theirs)),
        name=name,
        finding=finding,
    )


def _spread(totals: Sequence[float], estimated: bool, noun: str = "round") -> str:
    """`5 rounds from 44.9 J to 46.5 J, standard deviation 1.3 %`"""
    spread = statistics.stdev(totals) if len(totals) > 1 else None
    low, high = (
        quantities.energy(v, uncertainty=spread, estimated=estimated).text
        for v in (min(totals), max(totals))
    )
    if spread is None:
        return f"1 {noun} of {low}"
    middle = statistics.median(totals)
    variation = quantities.percent(spread / middle, signed=False) if middle else quantities.UNKNOWN
    return f"{len(totals)} {noun}s from {low} to {high}, standard deviation {variation}"


def _domains(case: Case) -> tuple[DomainPart, ...]:
    known = {
        domain: joules
        for domain, value in case.energy_j.items()
        if (joules := figures.finite(value)) is not None
    }
    total = sum(known.values())
    parts = []
    start = 0.0
    for domain, joules in known.items():
        share = max(0.0, joules / total) if total > 0 else 0.0
        provenance = case.provenance.get(domain)
        parts.append(
            DomainPart(
                domain=sanitize(domain),
                kind=_domain_kind(domain),
                joules=quantities.energy(joules, estimated=provenance == "estimated").text,
                start=round(100 * start, 1),
                share=round(100 * share, 1),
                share_text="" if case.total_j is None else f"{100 * share:.0f} %",
                provenance=provenance,
            )
        )
        start += share
    return tuple(parts)


def _domain_kind(domain: str) -> str:
    word = kind_of(domain)
    return word if word in _KINDS else "other"


def _windows(case: Case, estimated: bool) -> tuple[tuple[str, str], ...]:
    """Name and figures of each window, summed over the rounds' windows of one name."""
    found: dict[tuple[str, str], list[float | None]] = {}
    times: dict[tuple[str, str], float] = {}
    for window in case.windows:
        key = (window.name, window.place)
        found.setdefault(key, []).append(figures.finite(window.total_j))
        times[key] = times.get(key, 0.0) + window.duration_s
    rows = []
    for (name, place), totals in found.items():
        known = [total for total in totals if total is not None]
        energy = quantities.energy(sum(known) if known else None, estimated=estimated).text
        text = f"{energy}, {quantities.seconds(times[name, place])}"
        if len(totals) > 1:
            text += f" in {len(totals)} windows"
        rows.append((sanitize(name), text + _PLACES.get(place, f", {sanitize(place)}")))
    return tuple(rows)


def _curves(case: Case) -> tuple[Curve, ...]:
    """Those of the last round, which say so where there are several; the run file has them all."""
    last = max((series.round for series in case.series), default=0)
    suffix = f", round {last + 1}" if last else ""
    shown = (
        _series(msgspec.structs.replace(series, name=series.name + suffix))
        for series in case.series
        if series.round == last
    )
    return tuple(curve for curve in shown if curve is not None)


def _series(series: Series) -> Curve | None:
    points = [p for p in series.points if all(map(math.isfinite, p))]
    if len(points) < 2:
        return None
    values = [y for _, y in points]
    unit = f" {sanitize(series.unit)}" if series.unit else ""
    mean, peak = statistics.fmean(values), max(values)
    if series.unit == "W":
        finding = f"mean {quantities.watts(mean)}, highest {quantities.watts(peak)}"
    else:
        first, last = (f"{quantities.number(v, 3)}{unit}" for v in (values[0], values[-1]))
        finding = f"from {first} to {last}"
    name = sanitize(series.name)
    x_name = sanitize(series.x)
    return _curve(
        f"{name}{f', {unit.strip()}' if unit else ''} over {x_name}",
        points,
        f"{name}: {finding}.",
        x_unit=f" {x_name}" if x_name in _TIMES else "",
        y_unit=unit,
        zero=series.unit == "W",
    )


def _searches(case: Case, last: Search, estimated: bool) -> tuple[SearchView, ...]:
    spent = figures.finite(last.total_j)

    def cost(search: Search, times: float = 1.0) -> str:
        """Seconds and joules `times` over; the joules are those of all searches of a case."""
        words = [quantities.seconds(times * search.duration_s)] if search.duration_s else []
        if search is last and not last.earlier:
            joules = None if spent is None else times * spent
            words.append(quantities.energy(joules, estimated=estimated).text)
        return "".join(f", {word}" for word in words)

    def text(search: Search) -> str:
        counted = plural(search.evaluations, "evaluation")
        words = f"{counted}, {plural(search.images, 'image')}{cost(search)}"
        if search is last and last.earlier:
            words += f"; all searches {quantities.energy(spent, estimated=estimated).text}"
        scan = search.reference_evaluations
        if scan is not None and search.evaluations:
            times = scan / search.evaluations
            images = plural(round(times * search.images), "image")
            words += f". The paper's scan: {plural(scan, 'evaluation')}"
            # What breaks off sees fewer images, and the scan breaks nothing off.
            least = "at least " if search.at_most else ""
            words += f", at this rate {least}{images}{cost(search, times)}"
        return words

    known = spent is not None and case.total_j is not None
    return (
        *(_search(search, text(search), None) for search in last.earlier),
        _search(last, text(last), _pays(last.pays_after, known, _finding(case))),
    )


def _search(search: Search, cost: str, pays: str | None) -> SearchView:
    name = sanitize(search.parameter)
    points = [p for p in sorted(search.curve) if all(map(math.isfinite, p))]
    curve = None
    if len(points) > 1:
        curve = _curve(
            f"accuracy over {name}",
            points,
            f"{plural(len(points), 'level')} of {name} probed; {quantities.number(search.found)} is"
            f" the furthest that holds.{_broken_off(search)}",
            found=search.found,
        )
    return SearchView(
        curve=curve, found=f"{name} {quantities.number(search.found)}", cost=cost, pays=pays
    )


def _broken_off(search: Search) -> str:
    levels = [quantities.number(level) for level, _ in sorted(search.at_most)]
    if not levels:
        return ""
    return f" Broken off, as too much was lost, and not drawn: {', '.join(levels)}."


def _finding(case: Case) -> str:
    """What became of its energy against the group's reference."""
    found = (
        each.finding
        for each in case.comparisons
        if (each.reference, each.quantity) == ("group", "energy") and each.nodeid is not None
    )
    return next(found, "")


def _pays(trainings: float | None, known: bool, finding: str = "") -> str:
    if not known:
        return "whether it pays isn't known: joules are missing"
    if finding == "unclear":
        return "whether it pays isn't shown: what training saves is unclear"
    if trainings is None or not math.isfinite(trainings):
        return "doesn't pay: training saved nothing against the reference"
    whole = max(1, math.ceil(trainings))
    return f"pays after {plural(whole, 'training')} ({quantities.number(trainings, 2)})"


def _curve(
    heading: str,
    points: Sequence[tuple[float, float]],
    finding: str,
    *,
    x_unit: str = "",
    y_unit: str = "",
    zero: bool = False,
    found: float | None = None,
) -> Curve:
    drawn = _thinned(points)
    across = Scale(min(x for x, _ in points), max(x for x, _ in points))
    lowest, highest = min(y for _, y in points), max(y for _, y in points)
    up = Scale(min(0.0, lowest) if zero else lowest, highest)
    places = tuple((across.at(x), round(100 - up.at(y), 1)) for x, y in drawn)
    return Curve(
        heading=heading,
        line=" ".join(f"{x:g},{y:g}" for x, y in places),
        dots=places if len(places) <= 40 else (),
        found=None if found is None else across.at(found),
        x_low=f"{quantities.number(across.low, 3)}{x_unit}",
        x_high=f"{quantities.number(across.high, 3)}{x_unit}",
        y_low=f"{quantities.number(up.low, 3)}{y_unit}",
        y_high=f"{quantities.number(up.high, 3)}{y_unit}",
        finding=finding,
    )


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Lowest and highest point of each stretch, so that a peak survives the thinning."""
    if len(points) <= _MOST_POINTS:
        return points
    stretch = math.ceil(len(points) / (_MOST_POINTS // 2))
    kept = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        ends = {min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}
        kept += sorted(ends)
    return kept
