"""The results of a run in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_energybench.base.text import sanitize
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
    "Some energies are estimated throughout, from CPU time: between two of those, "
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
    text += "".join(f"; {each}" for each in _emissions(run, spent.total_j, pue))
    if spent.unknown:
        text += f"; {plural(spent.unknown, 'case')} with unknown energy not counted"
    return text + "."


def _emissions(run: Run, it_j: float, pue: float) -> Iterator[str]:
    """Emissions and water of all that was measured, as far as the user asked for them."""
    intensity = figures.of_all_hosts(run, "carbon_intensity")
    mass_g = figures.co2e_g(it_j * pue, intensity)
    if intensity is not None and mass_g is not None:
        yield f"{_grams(mass_g)} estimated at {_per_kwh(intensity)}, {_origin(run)}"
    embodied = figures.of_all_hosts(run, "embodied_g_per_h")
    if embodied is not None:
        mass_g = embodied * figures.metered_s(run) / 3600
        made = f"{_grams(mass_g)} of making the machine"
        yield f"{made}, estimated at {quantities.number(embodied)} g/h"
    water = figures.of_all_hosts(run, "water_l_per_kwh")
    if water is not None:
        drawn = quantities.litres(it_j / figures.JOULES_PER_KWH * water).text
        yield f"{drawn} of water, estimated at {quantities.number(water)} l/kWh"


def carbon(run: Run) -> str:
    """`342.1 g CO₂e/kWh (DE 2024, Ember)`; empty where no intensity is known."""
    intensity = figures.of_all_hosts(run, "carbon_intensity")
    return "" if intensity is None else f"{_per_kwh(intensity, 'CO₂e')} ({_origin(run)})"


def _per_kwh(intensity: float, what: str = "") -> str:
    return f"{' '.join(filter(None, [quantities.number(intensity), 'g', what]))}/kWh"


def _grams(mass_g: float) -> str:
    return f"{quantities.grams(mass_g, estimated=True).text} CO₂e"


def _origin(run: Run) -> str:
    source = run.settings.get("carbon_intensity_source")
    return sanitize(str(source)) if source else "as given for this run"


def how_estimated(cases: Sequence[CaseView]) -> str:
    """How much of the energies that are marked as estimates is one; empty where none is marked."""
    wholly = {figures.wholly_estimated(case.source) for case in cases if case.estimated}
    if len(wholly) > 1:
        return "estimated, some in part"
    return "".join("estimated" if whole else "estimated in part" for whole in wholly)


def estimate_note(cases: Sequence[CaseView]) -> str:
    """What ratios mean where energy comes from CPU time; empty where none does."""
    known = [case.source for case in cases if case.source.provenance]
    estimated = [case for case in known if figures.follows_time(case)]
    if not estimated:
        return ""
    note = ESTIMATE_NOTE if len(estimated) == len(known) else PARTLY_ESTIMATED_NOTE
    share = figures.memory_share(known)
    return (
        note
        if share is None
        else f"{note} Memory is {quantities.share(round(share, 2))} of it, by its size and time."
    )
