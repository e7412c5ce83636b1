"""From windows to rounds, from rounds to a case: pure functions over the data model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, Literal, TypeGuard, TypeVar, get_args

from msgspec.structs import replace

from pytest_energybench.base import domains
from pytest_energybench.base.flags import (
    BROKEN_OFF,
    DECIDING,
    ENDED_EARLY,
    LAST_BROKE_OFF,
    NOT_HELD,
    left_out,
    spoils,
)
from pytest_energybench.gates.results import broke_off, missed, passes
from pytest_energybench.results.model import (
    Case,
    Comparison,
    Provenance,
    Round,
    Scalar,
    Search,
    Series,
    Window,
)

if TYPE_CHECKING:
    from pytest_energybench.metering.idle import IdlePower
    from pytest_energybench.metering.window import Window as ClosedWindow

T = TypeVar("T")
__tracebackhide__ = True  # a user's mistake is shown at the user's line

Place = Literal["counted", "inner", "beside"]
MOST_POINTS = 400
MOST_WORDS = 30
MORE_WORDS = "and more of this kind"
IN_VAIN = "in an attempt that broke off: "
CUT = (
    "a round ended at an assertion that was to fail, and the last one went on behind it: put it at"
    " the test's end"
)
WEAKEST: tuple[Provenance, ...] = get_args(domains.Provenance)
"""From most to least; a word of a later version is trusted less than any of them."""


def window_record(
    window: ClosedWindow, *, place: Place = "counted", round: int = 0, idle: IdlePower | None = None
) -> Window:
    """The run file's form of a closed window; an unknown total (nan) becomes None.

    Args:
        idle: subtracted where given; what was subtracted is kept beside what is left.
    """
    energy_j, errors = window.energy_j, list(window.errors)
    idle_j: Mapping[str, float] = {}
    total_j = None if math.isnan(window.total_j) else window.total_j
    if idle is not None and window.energy_j:
        from pytest_energybench.metering.idle import subtract_idle

        net = subtract_idle(window.energy_j, window.duration_s, idle)
        energy_j, idle_j, errors = net.net_j, net.idle_j, [*errors, *net.errors]
        total_j = net.net_total_j if total_j is not None and not net.errors else None
    return Window(
        name=window.name,
        started=window.started,
        duration_s=window.duration_s,
        energy_j=dict(energy_j),
        total_j=total_j,
        provenance=dict(window.provenance),
        place=place,
        round=round,
        idle_j=dict(idle_j),
        flags=list(window.flags),
        errors=errors,
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


def sum_rounds(parts: Sequence[Window | Round], flags: Sequence[str] = ()) -> Round:
    """One round made of all that ran in it; an unknown part makes its total unknown.

    Args:
        flags: what there is to say of the whole round.
    """
    return Round(
        started=parts[0].started,
        duration_s=sum(part.duration_s for part in parts),
        energy_j=_by_domain(sum, [part.energy_j for part in parts]),
        idle_j=_by_domain(sum, [part.idle_j for part in parts]),
        total_j=known_sum(part.total_j for part in parts),
        iterations=max(part.iterations if isinstance(part, Round) else 1 for part in parts),
        flags=noted([*(flag for part in parts for flag in part.flags), *flags]),
    )


def sum_windows(first: Window, second: Window) -> Window:
    """Two windows of one place as one record; an unknown part makes its total unknown."""
    return replace(
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
    return [] if last is None else [*last.earlier, replace(last, earlier=[])]


def with_priced_search(case: Case, baseline: Case | None) -> Case:
    """The case, whose search has what its windows cost and after how many trainings it has paid.

    The windows are those kept beside the case's energy. Each round has its own search: the figures
    are medians over the rounds, as the case's are.

    Args:
        baseline: one training saves the difference of its energy and the case's.
    """
    rounds: dict[int, list[Window]] = {}
    for window in case.windows:
        if window.place == "beside":
            rounds.setdefault(window.round, []).append(window)
    if case.search is None or not rounds:
        return case
    spent = [sum_rounds(windows) for windows in rounds.values()]
    total, saved = _known_median(each.total_j for each in spent), None
    if case.total_j is not None and baseline is not None and baseline.total_j is not None:
        saved = baseline.total_j - case.total_j
    search = replace(
        case.search,
        duration_s=case.search.duration_s or median(each.duration_s for each in spent),
        energy_j=_by_domain(median, [each.energy_j for each in spent]),
        total_j=total,
        pays_after=total / saved if total and saved and saved > 0 else None,
    )
    return replace(case, search=search)


def _known_median(totals: Iterable[float | None]) -> float | None:
    """The median, or None if one of the totals is not known."""
    found = list(totals)
    known = [total for total in found if total is not None]
    return median(known) if len(known) == len(found) else None


def summarise(case: Case, *, pue: float) -> Case:
    """The case with medians over its rounds, facility energy, provenance and units filled in."""
    rounds = case.rounds
    if not rounds:
        return case
    total = _known_median(entry.total_j for entry in rounds)
    counted = [window for window in case.windows if window.place == "counted"]
    return replace(
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


def of_a_part(case: Case, why: str) -> Case:
    """The case as one of which only a part was metered: its energy is not known."""
    return replace(
        case,
        rounds=[replace(each, total_j=None) for each in case.rounds],
        total_j=None,
        facility_j=None,
        errors=[*case.errors, why],
    )


BROKE_OFF, EXPECTED, WHOLE = range(3)


def _how_far(case: Case) -> int:
    """How far the rounds of a case came: an xfail by something else than a gate may have broken
    them off."""
    if LAST_BROKE_OFF in case.flags:
        return WHOLE
    if broke_off(case):
        return BROKE_OFF
    return EXPECTED if case.outcome == "xfailed" and not missed(case) else WHOLE


def adds_none(earlier: Case) -> bool:
    """Whether all executions so far broke off, so that the next one's round is the first."""
    return _how_far(earlier) == BROKE_OFF


def join(earlier: Case, later: Case, *, pue: float, baseline: Case | None = None) -> Case:
    """Two executions of the same test as one case: the rounds of both, what was said of either.

    The later execution's outcome and comparisons stand; metrics are of all rounds. A rerun of a
    test whose energy was judged adds to the sample and never replaces it. One that broke off before
    that adds no round: how much of its work was done is not known. So does an expected failure
    beside an execution that came to its end. Rounds that ended before the later one's last windows
    are of a part of the work.

    Args:
        baseline: tells after how many trainings a search has paid.
    """
    before, now = _how_far(earlier), _how_far(later)
    if before < now or before == BROKE_OFF:
        return replace(later, flags=noted([*later.flags, BROKEN_OFF]))
    if now < before:
        unheld = [flag for flag in later.flags if flag in NOT_HELD]
        return replace(
            earlier,
            outcome=later.outcome,
            expected=later.expected,
            errors=noted([*earlier.errors, *(IN_VAIN + error for error in later.errors)]),
            flags=noted([*earlier.flags, LAST_BROKE_OFF, *unheld]),
        )
    count, offset = len(later.rounds), len(earlier.rounds)
    if ENDED_EARLY in earlier.flags and _last(count, earlier) != _last(count, later):
        earlier = of_a_part(earlier, CUT)
    flags = [BROKEN_OFF if flag == LAST_BROKE_OFF else flag for flag in earlier.flags]
    past = NOT_HELD | {ENDED_EARLY}
    moved = [replace(window, round=window.round + offset) for window in later.windows]
    curves = [replace(curve, round=curve.round + offset) for curve in later.series]
    rounds = [*earlier.rounds, *later.rounds]
    by_round = earlier.rounds and later.rounds and any(each.metrics for each in rounds)
    joined = replace(
        later,
        rounds=rounds,
        metrics=metrics_of(rounds) if by_round else _of_no_round(earlier, later),
        windows=[*earlier.windows, *moved],
        search=later.search or earlier.search,
        series=[*earlier.series, *curves],
        flags=[*(flag for flag in flags if flag not in past), *later.flags],
        errors=[*(e for e in earlier.errors if not e.startswith(IN_VAIN)), *later.errors],
    )
    return with_priced_search(summarise(joined, pue=pue), baseline)


def _last(count: int, case: Case) -> list[str]:
    """Names of the counted windows of a case's last rounds."""
    first = len(case.rounds) - count
    return [each.name for each in case.windows if each.place == "counted" and each.round >= first]


def join_parts(parts: Sequence[Case], *, pue: float) -> Case:
    """The same test in several runs, each with rounds of its own seeds, as one case.

    What the parts were judged to be on their own rounds is no judgement of all: the outcome is that
    of a part which broke off, else `passed` until the whole is judged (`judge.settled`). A rule
    that is not judged anew there and did not hold in one part has not held.
    """
    sound = [part for part in parts if not broke_off(part)]
    broken = [part for part in parts if broke_off(part)]
    whole = sound[0] if sound else broken[0]
    for part in sound[1:]:
        unmet = [each for each in whole.comparisons if not (_is_renewed(each) or passes(each))]
        whole = join(whole, part, pue=pue)
        whole = replace(whole, comparisons=[*unmet, *whole.comparisons])
    return replace(
        whole,
        outcome=broken[0].outcome if broken else "passed",
        expected=next((part.expected for part in parts if part.expected), ""),
        errors=noted(error for part in parts for error in part.errors),
        flags=noted([*whole.flags, *([BROKEN_OFF] if broken else [])]),
    )


def _is_renewed(comparison: Comparison) -> bool:
    """Whether it is with another case of the run: such a rule is judged on all rounds anew."""
    return comparison.reference == "group" and comparison.nodeid is not None


def metrics_of(rounds: Sequence[Round]) -> dict[str, Scalar]:
    """Of what every round recorded the mean of a number, and anything else where all have the same:
    the last round's figure alone would be taken for that of all. A seed is a round's own."""
    found: dict[str, Scalar] = {}
    for name in rounds[0].metrics:
        if name == "seed" or not all(name in each.metrics for each in rounds):
            continue
        values = [each.metrics[name] for each in rounds]
        if all(value == values[0] for value in values):
            found[name] = values[0]
        elif len(numbers := [each for each in values if _is_number(each)]) == len(values):
            found[name] = fmean(numbers)
    return found


def _of_no_round(earlier: Case, later: Case) -> dict[str, Scalar]:
    """What was recorded once for several rounds, or without one, and is the same in both: the
    later one's alone would be taken for that of all. A seed is that of its rounds."""
    both = earlier.metrics.items() & later.metrics.items()
    kept = (each for each in later.metrics.items() if each in both and each[0] != "seed")
    return dict(kept)


def _is_number(value: Scalar) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
    at least, one of each domain that a window went without, and what says which rounds count and
    what was judged."""
    found = unique(texts)
    if len(found) <= MOST_WORDS:
        return found
    kept = [text for text in found if text != MORE_WORDS]
    first = {spoils(text) or left_out(text): text for text in reversed(kept)}
    telling = [text for why, text in first.items() if why is not None]
    telling.sort(key=lambda text: spoils(text) is None)
    deciding = [text for text in kept if text in DECIDING]
    return [*unique([*deciding, *telling, *kept])[:MOST_WORDS], MORE_WORDS]


def unique(values: Iterable[T]) -> list[T]:
    """Without repetitions, in the order of first appearance."""
    return list(dict.fromkeys(values))
