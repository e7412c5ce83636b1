"""The results of a run in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_energybench.gates import quantities
from pytest_energybench.report import figures
from pytest_energybench.report.text import plural
from pytest_energybench.report.view import WORDS, WORST_FIRST, CaseView, Count
from pytest_energybench.results.model import Run

ESTIMATE_NOTE = (
    "Energy is estimated from CPU time here: every energy ratio is a time ratio, "
    "not a saving read from a meter."
)
PARTLY_ESTIMATED_NOTE = (
    "Some energies are estimated from CPU time (marked ~): between two of those, "
    "an energy ratio is a time ratio, not a saving read from a meter."
)


def counts(cases: Sequence[CaseView]) -> tuple[Count, ...]:
    """Results that occur, worst first."""
    found = Counter(case.kind for case in cases)
    return tuple(
        Count(kind, WORDS[kind], found[kind], found[kind] / len(cases))
        for kind in WORST_FIRST
        if found[kind]
    )


def cost(run: Run, pue: float) -> str:
    """What the measuring itself took, searches included."""
    spent = figures.spent(run)
    if not spent.total_j:
        return "No joule was counted."
    text = f"Measuring took {quantities.energy_both(spent.total_j, estimated=spent.estimated)}"
    if spent.searches_j:
        searches = quantities.energy(spent.searches_j, estimated=spent.estimated).text
        text += f", {searches} of it beside the cases (searches, A/B baselines)"
    if pue != 1.0:
        facility = quantities.energy_both(spent.total_j * pue, estimated=spent.estimated)
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
    mass = quantities.grams(
        facility_j / quantities.JOULES_PER_WH / 1000 * intensity, estimated=True
    ).text
    source = run.settings.get("carbon_intensity_source")
    origin = f", {source}" if source else ", as given for this run"
    return f"{mass} CO₂e estimated at {quantities.number(intensity)} g/kWh{origin}"


def estimate_note(cases: Sequence[CaseView]) -> str:
    """What ratios mean where energy comes from CPU time; empty where none does."""
    known = [case.source for case in cases if case.source.provenance]
    estimated = [case for case in known if figures.wholly_estimated(case)]
    if not estimated:
        return ""
    note = ESTIMATE_NOTE if len(estimated) == len(known) else PARTLY_ESTIMATED_NOTE
    share = figures.memory_share(known)
    return (
        note
        if share is None
        else f"{note} Memory is {quantities.share(round(share, 2))} of it, by its size and time."
    )
