"""What a case's joules rest on: how uncertain, how known, against what, and what measuring cost."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_energybench.base.domains import kind_of
from pytest_energybench.gates.figures import Figures
from pytest_energybench.results.model import Case, MeterInfo, Run, Scalar

METRIC_ACCURACY = "accuracy"
JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Spent:
    """Joules that went into a run's measuring.

    Attributes:
        total_j: IT energy of all rounds and searches.
        searches_j: the part of it that searches took (work kept beside the cases' energy).
        estimated: whether any of it is an estimate.
        unknown: cases whose joules are not known, so that the total is a lower bound.
    """

    total_j: float
    searches_j: float
    estimated: bool
    unknown: int


def flags(case: Case) -> list[str]:
    """What was noted of the case, its rounds and its windows, each once."""
    rounds = (flag for each in case.rounds for flag in each.flags)
    windows = (flag for each in case.windows for flag in (*each.flags, *each.errors))
    return list(dict.fromkeys([*case.flags, *rounds, *windows]))


def finite(value: object) -> float | None:
    """The value as a float where it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def of_all_hosts(run: Run, setting: str) -> float | None:
    """A number among the run's settings; None where it is not set, or not the same on all hosts."""
    of_each = [host.settings for host in run.hosts] or [run.settings]
    found = {finite(settings.get(setting)) for settings in of_each}
    return found.pop() if len(found) == 1 else None


def co2e_g(facility_j: float | None, g_per_kwh: float | None) -> float | None:
    """Grams of CO2e of some facility energy, None where one of the two is not known."""
    if facility_j is None or g_per_kwh is None:
        return None
    return facility_j / JOULES_PER_KWH * g_per_kwh


def metered_s(run: Run) -> float:
    """Seconds inside the counted windows of all rounds, those of repeated calls included."""
    rounds = (each for case in run.cases for each in case.rounds)
    return sum(each.duration_s * max(1, each.iterations) for each in rounds)


def joules(case: Case) -> float | None:
    """A case's IT energy, None where it is not known."""
    return finite(case.total_j)


def per_unit(case: Case) -> tuple[str, float | None] | None:
    """The functional unit that was counted first, and joules per one of it, the median over the
    rounds; None where none was counted."""
    unit = next((unit for entry in case.rounds for unit in entry.units), None)
    if unit is None:
        return None
    samples = Figures.of(case, unit).samples
    return unit, statistics.median(samples) if samples else None


def accuracy_of(metrics: Mapping[str, Scalar]) -> float | None:
    """The recorded share of right answers."""
    return finite(metrics.get(METRIC_ACCURACY))


def uncertainty_j(case: Case, meters: Mapping[str, MeterInfo]) -> float | None:
    """Uncertainty of a case's energy in joules; None where nothing about it is known.

    The meters' stated errors add up (they do not average out over domains of one machine); idle
    power that was subtracted takes none of them away. Then resolution and the spread of the rounds
    join in quadrature as independent parts.
    """
    systematic = 0.0
    resolution = 0.0
    for domain, value in case.energy_j.items():
        meter = meters.get(domain)
        if meter is not None:
            metered = abs(value) + case.idle_j.get(domain, 0.0)
            systematic += metered * (meter.error or 0.0)
            resolution += (meter.resolution or 0.0) ** 2
    totals = round_totals(case)
    spread = statistics.stdev(totals) if len(totals) > 1 else 0.0
    combined = math.sqrt(systematic**2 + resolution + spread**2)
    return combined if combined > 0 else None


def round_totals(case: Case) -> list[float]:
    """Known energies of the rounds, in joules and in their order."""
    return [total for r in case.rounds if (total := finite(r.total_j)) is not None]


def estimated_domains(case: Case) -> list[str]:
    """Domains whose joules come from a model and not from hardware."""
    return [domain for domain, word in case.provenance.items() if word == "estimated"]


def wholly_estimated(case: Case) -> bool:
    """Whether no domain at all was read from hardware."""
    return bool(case.provenance) and len(estimated_domains(case)) == len(case.provenance)


def follows_time(case: Case) -> bool:
    """Whether all joules are estimates of processors by CPU time and of memory by its size and
    time; what a model of another part goes by is not known."""
    return wholly_estimated(case) and set(map(kind_of, case.provenance)) <= {"cpu", "ram"}


def is_time_ratio(case: Case, reference: Case | None) -> bool:
    """Whether an energy ratio says no more than a ratio of (CPU) times would."""
    return follows_time(case) and (reference is None or follows_time(reference))


def idle_share_j(case: Case, domain: str, meters: Sequence[MeterInfo]) -> float | None:
    """Joules of an estimated processor that are its idle share and not the work's own; None where
    they are subtracted already, or not known. Memory has nothing else, so it isn't told."""
    idle_w = next((meter.idle_w for meter in meters if meter.domain == domain), None)
    seconds = finite(case.duration_s)
    if idle_w is None or seconds is None or domain == "ram" or domain in case.idle_j:
        return None
    return idle_w * seconds


def memory_share(cases: Sequence[Case]) -> float | None:
    """The part of all joules that is memory's estimate, which goes by size and time alone; None
    where memory is not estimated, or nothing is known. A case of which a domain was lost has no
    part in it."""
    parts = [
        (joules, kind_of(domain) == "ram" and case.provenance.get(domain) == "estimated")
        for case in cases
        if case.total_j is not None
        for domain, joules in case.energy_j.items()
    ]
    total_j = sum(joules for joules, _ in parts)
    memory_j = [joules for joules, is_memory in parts if is_memory]
    return sum(memory_j) / total_j if memory_j and total_j > 0 else None


def spent(run: Run) -> Spent:
    """Everything the run's rounds and searches took. Figures of a round are per iteration."""
    total = searches = 0.0
    unknown = 0
    for case in run.cases:
        if case.rounds:
            parts = [(finite(r.total_j), max(1, r.iterations)) for r in case.rounds]
        else:
            parts = [(joules(case), 1)]
        known = [value * times for value, times in parts if value is not None]
        total += sum(known)
        unknown += len(known) < len(parts) and case.outcome != "skipped"
        searches += _beside_j(case)
    estimated = any(estimated_domains(case) for case in run.cases)
    return Spent(total + searches, searches, estimated, unknown)


def _beside_j(case: Case) -> float:
    """Joules of what ran beside the case: its search, or windows that are not in its energy."""
    if case.search is not None and case.search.total_j is not None:
        return finite(case.search.total_j) or 0.0
    return sum(finite(w.total_j) or 0.0 for w in case.windows if w.place == "beside")
