"""Energy and duration against a stated limit, and energy against another case."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import median

from pytest_energybench.gates.figures import Figures, is_energy, provenance_word, unlike
from pytest_energybench.gates.quantity import (
    format_change,
    format_durations,
    format_energies,
    format_energy,
    format_percentage,
)
from pytest_energybench.gates.statistics import Estimate, decide, paired, relative, welch
from pytest_energybench.results.model import (
    Comparison,
    Origin,
    Provenance,
    Verdict,
    VerdictKind,
)

_ROUNDING = 1e-9
"""Relative slack at a limit, so that a sum of floats that equals it is not above it."""

_LARGEST_MARGIN = 1e12
"""A floor over a baseline of next to nothing is a margin of any size; this one is still finite."""

_PLACE: Mapping[VerdictKind, str] = {
    "improved": "is below",
    "within": "is within",
    "regressed": "is above",
    "inconclusive": "is neither clearly above nor within",
}


def judge_budget(
    total_j: float | None,
    limit_j: float,
    *,
    provenance: Mapping[str, Provenance] | None = None,
    n: int = 1,
    source: str = "",
) -> Comparison:
    """A case's IT energy against a limit: `within` at or below it, `regressed` above.

    Args:
        total_j: joules, the median over the rounds; None (not known) is an `error`.
        limit_j: joules.
        provenance: domain -> where its joules come from.
        n: rounds behind `total_j`.
        source: where the limit is stated, for the message.
    """
    word = provenance_word(provenance or {})
    return Comparison(
        origin="budget",
        limit=limit_j,
        verdict=_limited("energy", total_j, limit_j, format_energies, f" ({word})", n, source),
    )


def judge_duration(
    duration_s: float, limit_s: float, *, n: int = 1, source: str = ""
) -> Comparison:
    """A case's duration in seconds against a limit in seconds, judged like an energy budget."""
    return Comparison(
        origin="budget",
        quantity="duration",
        limit=limit_s,
        verdict=_limited("duration", duration_s, limit_s, format_durations, "", n, source),
    )


def _limited(
    name: str,
    figure: float | None,
    limit: float,
    write: Callable[[float, float], tuple[str, str]],
    note: str,
    n: int,
    source: str,
) -> Verdict:
    if figure is None or not is_energy(figure):
        return Verdict(kind="error", reason=f"{name} is not known, so no budget holds", n=n)
    passed = figure <= limit * (1 + _ROUNDING)
    delta = _change(figure, limit)
    ours, theirs = write(figure, limit)
    reason = f"{name} {ours}{note} {'is within' if passed else 'is above'} the budget of {theirs}"
    if source:
        reason += f" ({source})"
    if delta is not None:
        reason += f": {format_change(delta)}"
    return Verdict(kind="within" if passed else "regressed", reason=reason, delta=delta, n=n)


def judge_baseline(
    candidate: Figures,
    baseline: Figures,
    *,
    margin: float = 0.0,
    floor_j: float = 0.0,
    interleaved: bool = True,
    allow_mismatch: bool = False,
    origin: Origin = "baseline",
) -> Comparison:
    """A case's energy against another's.

    Two rounds or more of both: the paired test where both ran in the same rounds, Welch's
    otherwise, decided on one-sided 95 % bounds. One round of either: a `threshold` between the
    two figures, which knows nothing of noise.

    Args:
        margin: relative increase that is tolerated (0.03 is 3 %).
        floor_j: joules; a regression must exceed the margin and this.
        interleaved: both ran in the same rounds, so that the i-th of each make a pair.
        allow_mismatch: judge figures of unlike provenance, e.g. estimated against measured;
            otherwise they are `inconclusive`.
        origin: `baseline` of this run, or `stored`.
    """
    verdict = _refusal(candidate, baseline, allow_mismatch, origin)
    if verdict is None:
        verdict = _compare(candidate, baseline, margin, floor_j, interleaved, origin)
    base_j = median(baseline.samples) if baseline.samples else 0.0
    tolerated = effective_margin(base_j, margin, floor_j) if base_j else margin
    return Comparison(
        origin=origin,
        nodeid=baseline.nodeid,
        limit=base_j * (1 + tolerated) if base_j else None,
        margin=tolerated,
        verdict=verdict,
    )


def estimate(candidate: Figures, baseline: Figures, *, interleaved: bool = True) -> Estimate | None:
    """The log ratio of two cases' rounds; None where a figure is unknown, 0 J or a single round."""
    ours, theirs = candidate.samples, baseline.samples
    if min(len(ours), len(theirs)) < 2 or not all(ours + theirs):
        return None
    if interleaved and len(ours) == len(theirs):
        return paired(ours, theirs)
    return welch(ours, theirs)


def effective_margin(baseline_j: float, margin: float, floor_j: float) -> float:
    """The relative margin that says the same as "above the margin and above the floor".

    Args:
        baseline_j: joules, above 0.
        margin: relative increase that is tolerated.
        floor_j: increase in joules that is tolerated.
    """
    return max(margin, min(floor_j / baseline_j, _LARGEST_MARGIN))


def _refusal(
    candidate: Figures, baseline: Figures, allow_mismatch: bool, origin: Origin
) -> Verdict | None:
    """Why two figures can't be compared, or None where they can."""
    for figures, owner in ((candidate, "the case's"), (baseline, f"the {_named(origin)}")):
        if not figures.samples:
            return Verdict(kind="error", reason=f"{owner} energy is not known")
    difference = unlike(candidate.provenance, baseline.provenance)
    if difference and not allow_mismatch:
        return Verdict(
            kind="inconclusive",
            reason=f"not comparable: {difference}",
            n=min(len(candidate.samples), len(baseline.samples)),
        )
    for figures, owner in ((candidate, "the case's"), (baseline, f"the {_named(origin)}")):
        if not all(figures.samples):
            return Verdict(
                kind="inconclusive",
                reason=f"{owner} energy is 0 J in a round, below what the meter resolves",
                n=min(len(candidate.samples), len(baseline.samples)),
            )
    return None


def _compare(
    candidate: Figures,
    baseline: Figures,
    margin: float,
    floor_j: float,
    interleaved: bool,
    origin: Origin,
) -> Verdict:
    ours_j, theirs_j = median(candidate.samples), median(baseline.samples)
    limit = effective_margin(theirs_j, margin, floor_j)
    found = estimate(candidate, baseline, interleaved=interleaved)
    kind: VerdictKind
    if found is None:
        kind = _threshold(ours_j, theirs_j, limit)
        delta, interval, method, n = _change(ours_j, theirs_j), None, "threshold", 1
    else:
        kind = decide(found, limit)
        lower, upper = found.bounds
        delta, interval = relative(found.log_ratio), (relative(lower), relative(upper))
        method, n = found.method, found.n
    ours, theirs = format_energies(ours_j, theirs_j)
    reason = (
        f"energy {ours} ({provenance_word(candidate.provenance)}) {_PLACE[kind]} the "
        f"{_named(origin)} {theirs} ({provenance_word(baseline.provenance)})"
    )
    if kind != "improved":
        reason += f" +{format_percentage(margin)} margin"
        if limit > margin:
            reason += f" or +{format_energy(floor_j)}"
    if delta is not None:
        reason += f": {format_change(delta)}"
    return Verdict(kind=kind, reason=reason, delta=delta, interval=interval, method=method, n=n)


def _threshold(ours_j: float, theirs_j: float, limit: float) -> VerdictKind:
    if ours_j < theirs_j * (1 - _ROUNDING):
        return "improved"
    return "within" if ours_j <= theirs_j * (1 + limit) * (1 + _ROUNDING) else "regressed"


def _change(figure: float, reference: float) -> float | None:
    """Relative change; None where the reference is 0."""
    if reference == 0:
        return None
    change = figure / reference - 1
    return change if math.isfinite(change) else None


def _named(origin: Origin) -> str:
    return "stored run's" if origin == "stored" else "baseline's"
