"""Energy and duration against a stated limit, and energy against another case."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from statistics import geometric_mean, median

from msgspec.structs import replace

from pytest_energybench.base.flags import SHORT
from pytest_energybench.gates.figures import (
    Disturbance,
    Figures,
    disturbances,
    is_energy,
    known_as,
    provenance_word,
    side_by_side,
    unlike,
    why_unknown,
    window_duration,
    window_figures,
)
from pytest_energybench.gates.parse import EnergyLimit
from pytest_energybench.gates.quantities import change_of, durations, energies, energy, per, share
from pytest_energybench.gates.results import conclude
from pytest_energybench.gates.statistics import (
    Estimate,
    bounds_at,
    decide,
    paired,
    prediction,
    relative,
    welch,
)
from pytest_energybench.results.model import (
    MORE_THAN,
    NOT_COMPARABLE,
    NOT_JUDGED,
    NOT_MEASURED,
    OVER_BUDGET,
    TOO_NOISY,
    Case,
    Comparison,
    Finding,
    Provenance,
    Reference,
)

_ROUNDING = 1e-9
"""Relative slack at a limit, so that a sum of floats that equals it is not above it."""

SHORT_OFF_BY = 10.0
"""A figure of a window that is too short for its counter may be as many times too small: a window
of one update can lie between two steps of it but for a tenth."""

_LARGEST_MARGIN = 1e12
"""A floor over a reference of next to nothing is a margin of any size; this one is still finite."""


def judge_energy(
    case: Case, limit: EnergyLimit, *, window: str = "", source: str = ""
) -> Comparison:
    """A case's energy, whole or per functional unit, against a limit; see `judge_budget`.

    Args:
        window: judge the windows of this name instead of the whole case.
        source: where the limit is stated.
    """
    figures = window_figures(case, window, limit.unit) if window else Figures.of(case, limit.unit)
    unknown = _why_unknown(case, window)
    figure = case.total_j
    if window or limit.unit:
        figure = median(figures.samples) if figures.samples else None
    made = judge_budget(
        None if unknown else figure,
        limit.joules,
        provenance=figures.provenance,
        n=max(1, len(case.rounds)),
        source=source,
        flags=figures.flags,
        unit=limit.unit,
        window=window,
    )
    if unknown:
        return replace(made, judged=conclude(NOT_MEASURED, unknown))
    if figures.uncounted and figures.joules:
        limited = per(energy(limit.joules).text, limit.unit)
        why = f"the budget of {limited} can't be judged: {figures.uncounted}"
        return replace(made, judged=conclude(NOT_JUDGED, why))
    return made


def judge_time(case: Case, limit_s: float, *, window: str = "", source: str = "") -> Comparison:
    """A case's duration in seconds against a limit in seconds; see `judge_energy`."""
    unknown = _why_unknown(case, window)
    duration_s = window_duration(case, window) if window else case.duration_s
    made = judge_duration(
        None if unknown else duration_s or None,  # 0 s where nothing was metered
        limit_s,
        n=max(1, len(case.rounds)),
        source=source,
        window=window,
    )
    return replace(made, judged=conclude(NOT_MEASURED, unknown)) if unknown else made


def _why_unknown(case: Case, window: str) -> str:
    """Why a case, or its windows of a name, have no figures that a budget could be held against;
    empty where they have, or domains were lost."""
    if case.missing:
        return f"the budget can't be judged: {case.missing}"
    return why_unknown(case, window) if window else ""


def judge_budget(
    total_j: float | None,
    limit_j: float,
    *,
    provenance: Mapping[str, Provenance] | None = None,
    n: int = 1,
    source: str = "",
    flags: Sequence[Sequence[str]] = (),
    unit: str = "",
    window: str = "",
) -> Comparison:
    """An IT energy against a limit: it holds at or below it.

    A busy machine only adds joules, so what is within the limit stays so, and what is above it is
    `unclear`. So is a window too short for its counter, unless `SHORT_OFF_BY` times its figure is
    within the limit.

    Args:
        total_j: joules, the median over the rounds; None (not known) does not hold.
        limit_j: joules.
        provenance: domain -> where its joules come from.
        n: rounds behind `total_j`.
        source: where the limit is stated.
        flags: what was said of each round.
        unit: functional unit that both are per one of.
        window: name of the windows that they are of.
    """
    made = _limited(
        f"energy of {window!r}" if window else "energy",
        total_j,
        limit_j,
        partial(energies, unit=unit),
        f" ({provenance_word(provenance or {})})",
        source,
        disturbances(flags),
    )
    return replace(made, quantity="energy", n=n, unit=unit, window=window)


def judge_duration(
    duration_s: float | None, limit_s: float, *, n: int = 1, source: str = "", window: str = ""
) -> Comparison:
    """A duration in seconds against a limit in seconds, judged like an energy budget."""
    what = f"duration of {window!r}" if window else "duration"
    made = _limited(what, duration_s, limit_s, durations, "", source, ())
    return replace(made, quantity="duration", n=n, window=window)


def _limited(
    name: str,
    figure: float | None,
    limit: float,
    write: Callable[[float, float], tuple[str, str]],
    note: str,
    source: str,
    spoiled: Sequence[Disturbance],
) -> Comparison:
    finding: Finding = "unclear"
    change = None
    if figure is None or not is_energy(figure):
        judged = conclude(NOT_MEASURED, f"{name} is not known, so no budget holds")
    else:
        is_within = figure <= limit * (1 + _ROUNDING)
        change = _change(figure, limit)
        reason = _why(is_within, figure * SHORT_OFF_BY, limit, spoiled)
        if reason in ("", OVER_BUDGET):
            finding = _threshold(figure, limit)
        ours, theirs = write(figure, limit)
        words = [
            f"{name} {ours}{note} {'is within' if is_within else 'is above'} the budget of {theirs}"
            + (f" ({source})" if source else "")
            + (f": {change_of(change, 'the budget')}" if change is not None else ""),
            *(each.caution for each in spoiled),
        ]
        judged = conclude(reason, "; ".join(words))
    return Comparison(
        reference="budget",
        name=source,
        finding=finding,
        limit=limit,
        estimate=change,
        judged=judged,
    )


def _why(is_within: bool, at_most: float, limit: float, spoiled: Sequence[Disturbance]) -> str:
    """Why a limit does not hold; empty where it does."""
    is_short = any(each.word == SHORT for each in spoiled)
    if is_within:
        return SHORT if is_short and not 0 < at_most <= limit else ""
    return spoiled[0].word if spoiled else OVER_BUDGET


def judge_group(
    case: Case,
    reference: Case,
    *,
    margin: float,
    interleaved: bool,
    allow_mismatch: bool = False,
    fails: Collection[str] | None = None,
) -> Comparison:
    """A case's energy against that of its group's reference; see `judge_change`."""
    ours, theirs = side_by_side(case, reference, allow_mismatch=allow_mismatch)
    return judge_change(
        ours,
        theirs,
        name=known_as(reference, case),
        margin=margin,
        interleaved=interleaved or bool(ours.seeds),
        allow_mismatch=allow_mismatch,
        fails=fails,
    )


def judge_change(
    candidate: Figures,
    reference: Figures,
    *,
    name: str,
    against: Reference = "group",
    margin: float = 0.0,
    floor_j: float = 0.0,
    interleaved: bool = True,
    allow_mismatch: bool = False,
    must_fall: bool = False,
    among: tuple[float, float] | None = None,
    fails: Collection[str] | None = None,
) -> Comparison:
    """A case's energy, or that per functional unit, against another's: it holds where it is shown
    not to be above the margin.

    Two rounds or more of both: the paired test where both ran in the same rounds, Welch's
    otherwise, decided on one-sided 95 % bounds. One round of either: a `threshold` between the
    two figures, which knows nothing of noise.

    Args:
        name: what the reference is called.
        margin: relative increase that is tolerated (0.03 is 3 %).
        floor_j: joules; what is above must exceed the margin and this.
        interleaved: both ran in the same rounds, so that the i-th of each make a pair.
        allow_mismatch: judge figures of unlike provenance, e.g. estimated against measured.
        must_fall: the claim is that the case needs less, so as much doesn't hold.
        among: the bounds, where the case is one of many.
        fails: reasons that fail; see `conclude`.
    """
    base_j = median(reference.samples) if reference.samples else 0.0
    tolerated = effective_margin(reference, margin, floor_j)
    made = Comparison(
        reference=against,
        name=name,
        nodeid=reference.nodeid,
        unit=candidate.unit if candidate.unit == reference.unit else "",
        finding="unclear",
        limit=base_j * (1 + tolerated) if base_j else None,
        margin=tolerated,
        n=min(len(candidate.samples), len(reference.samples)),
        reference_j=list(reference.samples),
    )
    reason, text = _obstacle(candidate, reference, allow_mismatch, name)
    if reason:
        return replace(made, judged=conclude(reason, text, fails))
    found = estimate(candidate, reference, interleaved=interleaved)
    if found is None:
        ours_j, theirs_j = median(candidate.samples), base_j
        change = _change(ours_j, theirs_j)
        lower = upper = math.inf if change is None else change
        made = replace(made, finding=_threshold(ours_j, theirs_j), estimate=change, n=1)
    else:
        # The sentence shows what was compared: the ratio of these two is the estimate.
        ours_j, theirs_j = geometric_mean(candidate.samples), geometric_mean(reference.samples)
        lower, upper = among or bounds_at(found)
        made = replace(
            made,
            finding=decide(lower, upper, tolerated),
            estimate=relative(found.log_ratio),
            interval=(lower, upper),
            method=found.method if among is None else f"{found.method}, holm",
            n=found.n,
        )
    spoiled = [
        (each.word, f"{each.caution}{whose}")
        for side, whose in ((candidate, ""), (reference, f" of {name}"))
        for each in disturbances(side.flags)
    ]
    falls = made.finding in ("less", "lower")
    if spoiled:
        made = replace(made, finding="unclear")
        reason, place = spoiled[0][0], "against"
    elif falls or (upper <= tolerated + _ROUNDING and not must_fall):
        place = "is below" if falls else "is within"
    elif lower > tolerated + _ROUNDING:
        reason, place = f"{MORE_THAN}{name}", "is above"
    else:
        reason = TOO_NOISY
        place = "is not clearly below" if must_fall else "is neither clearly above nor within"
    ours, theirs = energies(ours_j, theirs_j, candidate.unit)
    text = (
        f"energy {ours} ({provenance_word(candidate.provenance)}) {place} {name}'s {theirs}"
        f" ({provenance_word(reference.provenance)})"
    )
    if not (falls or must_fall or spoiled):
        text += f" +{share(margin)} margin"
        text += f" or +{energy(floor_j).text}" if tolerated > margin else ""
    if made.estimate is not None:
        text += f": {change_of(made.estimate, name)}"
    if spoiled:
        text += f"; {spoiled[0][1]}"
    return replace(made, judged=conclude(reason, text, fails))


def estimate(
    candidate: Figures, reference: Figures, *, interleaved: bool = True
) -> Estimate | None:
    """Log ratio of two cases' rounds; None where a figure is unknown, 0 J or a single round.

    Args:
        interleaved: the i-th rounds of both make a pair, unless their seeds differ.
    """
    ours, theirs = candidate.samples, reference.samples
    if not all(ours + theirs):
        return None
    if reference.are_runs and ours and len(theirs) > 1:
        return prediction(ours, theirs)
    if min(len(ours), len(theirs)) < 2:
        return None
    if interleaved and len(ours) == len(theirs) and candidate.seeds == reference.seeds:
        return paired(ours, theirs)
    return welch(ours, theirs)


def effective_margin(reference: Figures, margin: float, floor_j: float) -> float:
    """The relative margin that says the same as "above the margin and above the floor".

    Args:
        reference: its joules are those of whole rounds, as the floor's are.
        margin: relative increase that is tolerated.
        floor_j: increase in joules that is tolerated.
    """
    base_j = median(reference.joules) if reference.joules else 0.0
    return max(margin, min(floor_j / base_j, _LARGEST_MARGIN)) if base_j else margin


def _obstacle(
    candidate: Figures, reference: Figures, allow_mismatch: bool, name: str
) -> tuple[str, str]:
    """Why two figures can't be compared, as reason and sentence; empty where they can."""
    sides = ((candidate, "the case's"), (reference, f"{name}'s"))
    for figures, owner in sides:
        if figures.missing or not figures.joules:
            why = f": {figures.missing}" if figures.missing else ""
            return NOT_MEASURED, f"{owner} energy is not known{why}"
    if candidate.unit != reference.unit:
        ours, theirs = (each.unit or "nothing" for each in (candidate, reference))
        return NOT_COMPARABLE, f"the case counts {ours}, and {name} counts {theirs}"
    for figures, owner in sides:
        if figures.uncounted:
            return (
                NOT_JUDGED,
                f"{owner} energy per {figures.unit} is not known: {figures.uncounted}",
            )
        if not figures.samples:
            return NOT_MEASURED, f"{owner} energy per {figures.unit} is no figure"
    difference = unlike(candidate.provenance, reference.provenance)
    if difference and not allow_mismatch:
        return NOT_COMPARABLE, difference
    for figures, owner in sides:
        if figures.partial and not allow_mismatch:
            return NOT_COMPARABLE, f"{owner} rounds are partly without {', '.join(figures.partial)}"
        if not all(figures.samples):
            why = "energy is 0 J in a round, below what the meter resolves"
            return SHORT, f"{owner} {why}"
    return "", ""


def _threshold(figure: float, reference: float) -> Finding:
    """What two figures alone can say."""
    if abs(figure - reference) <= reference * _ROUNDING:
        return "same"
    return "lower" if figure < reference else "higher"


def _change(figure: float, reference: float) -> float | None:
    """Relative change; None where the reference is 0."""
    if reference == 0:
        return None
    change = figure / reference - 1
    return change if math.isfinite(change) else None
