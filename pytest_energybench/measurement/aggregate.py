"""From windows to rounds, from rounds to a case: pure functions over the data model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import msgspec

from pytest_energybench.base import provenance
from pytest_energybench.base.flags import spoils
from pytest_energybench.gates.results import broke_off
from pytest_energybench.results.model import Case, Provenance, Round, Search, Series, Window

if TYPE_CHECKING:
    from pytest_energybench.metering.idle import IdlePower
    from pytest_energybench.metering.window import Window as ClosedWindow

T = TypeVar("T")
__tracebackhide__ = True  # a user's mistake is shown at the user's line

Place = Literal["counted", "inner", "beside"]
MOST_POINTS = 400
MOST_WORDS = 30
MORE_WORDS = "and more of this kind"
BROKEN_OFF = "an attempt that broke off before its end adds no round"
WEAKEST: tuple[Provenance, ...] = get_args(provenance.Provenance)
"""From most to least; a word of a later version is trusted less than any of them."""


def window_record(
    window: ClosedWindow,
    *,
    place: Place = "counted",
    round: int = 0,
    idle: IdlePower | None = None,
) -> Window:
    """The run file's form of a closed window; an unknown total (nan) becomes None.

    Args:
        idle: subtracted where given; what was subtracted is kept beside what is left.
    """
    if idle is not None and window.energy_j:
        from pytest_energybench.metering.idle import subtract_idle

        net = subtract_idle(window.energy_j, window.duration_s, idle)
        known = not math.isnan(window.total_j)
        return Window(
            name=window.name,
            started=window.started,
            duration_s=window.duration_s,
            energy_j=dict(net.net_j),
            total_j=net.net_total_j if known and not net.errors else None,
            provenance=dict(window.provenance),
            place=place,
            round=round,
            idle_j=dict(net.idle_j),
            flags=list(window.flags),
            errors=[*window.errors, *net.errors],
        )
    return Window(
        name=window.name,
        started=window.started,
        duration_s=window.duration_s,
        energy_j=dict(window.energy_j),
        total_j=None if math.isnan(window.total_j) else window.total_j,
        provenance=dict(window.provenance),
        place=place,
        round=round,
        flags=list(window.flags),
        errors=list(window.errors),
    )


def power_series(window: ClosedWindow) -> list[Series]:
    """Power over time of the domains whose power was sampled, thinned out to what a chart shows."""
    found = []
    for domain, points in window.samples.items():
        stride = -(-len(points) // MOST_POINTS) or 1
        name = f"power {domain}" + (f", {window.name}" if window.name else "")
        found.append(Series(name=name, x="s", unit="W", points=list(points[::stride])))
    return found


def round_of_call(window: Window, iterations: int) -> Round:
    """The round of a measured call that ran `iterations` times in one window: figures per call."""
    return Round(
        started=window.started,
        duration_s=window.duration_s / iterations,
        energy_j={domain: joules / iterations for domain, joules in window.energy_j.items()},
        idle_j={domain: joules / iterations for domain, joules in window.idle_j.items()},
        total_j=None if window.total_j is None else window.total_j / iterations,
        iterations=iterations,
        flags=window.flags,
    )


def sum_rounds(parts: Sequence[Window | Round]) -> Round:
    """One round made of all that ran in it; an unknown part makes its total unknown."""
    return Round(
        started=parts[0].started,
        duration_s=sum(part.duration_s for part in parts),
        energy_j=_by_domain(sum, [part.energy_j for part in parts]),
        idle_j=_by_domain(sum, [part.idle_j for part in parts]),
        total_j=known_sum(part.total_j for part in parts),
        iterations=max(part.iterations if isinstance(part, Round) else 1 for part in parts),
        flags=noted(flag for part in parts for flag in part.flags),
    )


def sum_windows(first: Window, second: Window) -> Window:
    """Two windows of one place as one record; an unknown part makes its total unknown."""
    return msgspec.structs.replace(
        first,
        duration_s=first.duration_s + second.duration_s,
        energy_j=_by_domain(sum, [first.energy_j, second.energy_j]),
        idle_j=_by_domain(sum, [first.idle_j, second.idle_j]),
        total_j=known_sum((first.total_j, second.total_j)),
        provenance=weakest_provenance((first, second)),
        flags=noted([*first.flags, *second.flags]),
        errors=noted([*first.errors, *second.errors]),
    )


def known_sum(totals: Iterable[float | None]) -> float | None:
    """The sum, or None if one of the totals is not known: never a sum that is too small."""
    total = 0.0
    for value in totals:
        if value is None:
            return None
        total += value
    return total


def searches_so_far(last: Search | None) -> list[Search]:
    """Flat, in their order: those before `last`, and `last` itself."""
    return [] if last is None else [*last.earlier, msgspec.structs.replace(last, earlier=[])]


def priced_search(
    search: Search, windows: Sequence[Window], case: Case, baseline: Case | None
) -> Search:
    """The search with what its windows cost, and after how many trainings it has paid.

    Args:
        windows: those kept beside the case's energy.
        case, baseline: one training saves the difference of their energies.
    """
    if not windows:
        return search
    spent = sum_rounds(windows)
    saved = None
    if case.total_j is not None and baseline is not None and baseline.total_j is not None:
        saved = baseline.total_j - case.total_j
    return msgspec.structs.replace(
        search,
        duration_s=search.duration_s or spent.duration_s,
        energy_j=spent.energy_j,
        total_j=spent.total_j,
        pays_after=spent.total_j / saved if spent.total_j and saved and saved > 0 else None,
    )


def summarise(case: Case, *, pue: float) -> Case:
    """The case with medians over its rounds, facility energy, provenance and units filled in."""
    rounds = case.rounds
    if not rounds:
        return case
    totals = [entry.total_j for entry in rounds]
    known = [total for total in totals if total is not None]
    total = median(known) if len(known) == len(totals) else None
    counted = [window for window in case.windows if window.place == "counted"]
    return msgspec.structs.replace(
        case,
        total_j=total,
        facility_j=None if total is None else pue * total,
        duration_s=median(entry.duration_s for entry in rounds),
        energy_j=_by_domain(median, [entry.energy_j for entry in rounds]),
        idle_j=_by_domain(median, [entry.idle_j for entry in rounds]),
        provenance=weakest_provenance(counted),
        units={
            unit: float(median(entry.units[unit] for entry in rounds))
            for unit in rounds[0].units
            if all(unit in entry.units for entry in rounds)
        },
        flags=noted([*case.flags, *(flag for entry in rounds for flag in entry.flags)]),
        errors=noted([*case.errors, *(error for window in counted for error in window.errors)]),
    )


def join(earlier: Case, later: Case, *, pue: float) -> Case:
    """Two executions of the same test as one case: the rounds of both, what was said of either.

    The later execution's outcome, metrics and comparisons stand. A rerun of a test whose energy was
    judged adds to the sample and never replaces it. One that broke off before that adds no round:
    how much of its work was done is not known.
    """
    if broke_off(earlier):
        return msgspec.structs.replace(later, flags=noted([*later.flags, BROKEN_OFF]))
    if broke_off(later):
        return msgspec.structs.replace(
            earlier,
            outcome=later.outcome,
            errors=noted([*earlier.errors, *later.errors]),
            flags=noted([*earlier.flags, BROKEN_OFF]),
        )
    offset = len(earlier.rounds)
    moved = [
        msgspec.structs.replace(window, round=window.round + offset) for window in later.windows
    ]
    joined = msgspec.structs.replace(
        later,
        rounds=[*earlier.rounds, *later.rounds],
        windows=[*earlier.windows, *moved],
        search=later.search or earlier.search,
        series=later.series or earlier.series,
        flags=[*earlier.flags, *later.flags],
        errors=[*earlier.errors, *later.errors],
    )
    return summarise(joined, pue=pue)


def weakest_provenance(windows: Iterable[Window]) -> dict[str, Provenance]:
    """Domain -> provenance; where windows differ, the one that can be trusted least."""
    found: dict[str, Provenance] = {}
    for window in windows:
        for domain, word in window.provenance.items():
            found[domain] = max(found.get(domain, word), word, key=_distrust)
    return dict(sorted(found.items()))


def _distrust(word: Provenance) -> int:
    return WEAKEST.index(word) if word in WEAKEST else len(WEAKEST)


def _by_domain(
    combine: Callable[[list[float]], float], mappings: Iterable[Mapping[str, float]]
) -> dict[str, float]:
    """Domain -> its joules in all mappings that have it, combined."""
    found: dict[str, list[float]] = {}
    for mapping in mappings:
        for domain, joules in mapping.items():
            found.setdefault(domain, []).append(joules)
    return {domain: float(combine(found[domain])) for domain in sorted(found)}


def noted(texts: Iterable[str]) -> list[str]:
    """Without repetitions, and no more than a reader takes in: flags name figures, so that those
    of 10^4 short windows are all different. Of each kind that keeps gates from deciding one stays
    at least."""
    found = unique(texts)
    if len(found) <= MOST_WORDS:
        return found
    kept = [text for text in found if text != MORE_WORDS]
    first = {spoils(text): text for text in reversed(kept)}
    spoiling = [text for why, text in first.items() if why is not None]
    return [*unique([*spoiling, *kept])[:MOST_WORDS], MORE_WORDS]


def unique(values: Iterable[T]) -> list[T]:
    """Without repetitions, in the order of first appearance."""
    return list(dict.fromkeys(values))
