"""The verdict of a run in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_energybench.report import figures, units
from pytest_energybench.report.text import listed, plural
from pytest_energybench.report.view import WORDS, WORST_FIRST, CaseView, Count, Kind
from pytest_energybench.results.model import Run

_PHRASES: dict[Kind, str] = {
    "error": "ended in error",
    "regressed": "regressed",
    "inconclusive": "inconclusive",
    "within": "within limits",
    "improved": "improved",
}

ESTIMATE_NOTE = (
    "Energy is estimated from CPU time here: every energy ratio is a time ratio, "
    "not a saving read from a meter."
)
PARTLY_ESTIMATED_NOTE = (
    "Some energies are estimated from CPU time (marked ~): between two of those, "
    "an energy ratio is a time ratio, not a saving read from a meter."
)


def counts(cases: Sequence[CaseView]) -> tuple[Count, ...]:
    """Verdicts that occur, worst first."""
    found = Counter(case.kind for case in cases)
    return tuple(
        Count(kind, WORDS[kind], found[kind], found[kind] / len(cases))
        for kind in WORST_FIRST
        if found[kind]
    )


def headline(totals: Sequence[Count], cases: Sequence[CaseView]) -> str:
    """`Of 27 judged cases 2 regressed and 25 improved.`"""
    if not cases:
        return "No case was metered in this run."
    judged = [count for count in totals if count.kind != "unjudged"]
    number = sum(count.number for count in judged)
    rest = len(cases) - number
    if not judged:
        return f"{plural(len(cases), 'case')} metered, none of them compared with anything."
    expected = sum(case.expected and case.kind == "regressed" for case in cases)
    phrases = [
        f"{count.number:,} {_PHRASES[count.kind]}"
        + (_foreseen(expected, count.number) if count.kind == "regressed" else "")
        for count in judged
    ]
    sentence = f"Of {plural(number, 'judged case')}, {listed(phrases)}"
    if rest:
        sentence += f"; {plural(rest, 'more', 'more')} {'was' if rest == 1 else 'were'} not judged"
    return sentence + "."


def _foreseen(expected: int, number: int) -> str:
    if not expected:
        return ""
    return " as expected" if expected == number else f" ({expected:,} as expected)"


def cost(run: Run, pue: float) -> str:
    """What the measuring itself took, searches included."""
    spent = figures.spent(run)
    if not spent.total_j:
        return "No joule was counted."
    text = f"Measuring took {units.energy_both(spent.total_j, estimated=spent.estimated)}"
    if spent.searches_j:
        searches = units.energy(spent.searches_j, estimated=spent.estimated).text
        text += f", {searches} of it beside the cases (searches, A/B baselines)"
    if pue != 1.0:
        facility = units.energy_both(spent.total_j * pue, estimated=spent.estimated)
        text += f"; {facility} at the facility (PUE {pue:g})"
    emitted = _emissions(run, spent.total_j * pue)
    if emitted:
        text += f"; {emitted}"
    if spent.unknown:
        text += f"; {plural(spent.unknown, 'case')} with unknown energy not counted"
    return text + "."


def _emissions(run: Run, facility_j: float) -> str:
    intensity = figures.finite(run.settings.get("carbon_intensity"))
    if not intensity:
        return ""
    mass = units.grams(facility_j / units.JOULES_PER_WH / 1000 * intensity, estimated=True).text
    source = run.settings.get("carbon_intensity_source")
    origin = f", {source}" if source else ", as given for this run"
    return f"{mass} CO₂e estimated at {units.number(intensity)} g/kWh{origin}"


def estimate_note(cases: Sequence[CaseView]) -> str:
    """What ratios mean where energy comes from CPU time; empty where none does."""
    known = [case.source for case in cases if case.source.provenance]
    estimated = [case for case in known if figures.wholly_estimated(case)]
    if not estimated:
        return ""
    return ESTIMATE_NOTE if len(estimated) == len(known) else PARTLY_ESTIMATED_NOTE
