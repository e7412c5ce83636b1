"""Energy and duration against a stated limit, and energy against another case."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import geometric_mean, median

from msgspec.structs import replace

from pytest_energybench.base.flags import SHORT
from pytest_energybench.gates.disturbance import Disturbance, disturbances
from pytest_energybench.gates.quantities import change_of, durations, energies, energy, share
from pytest_energybench.gates.results import conclude
from pytest_energybench.gates.statistics import (
    Estimate,
    bounds_among,
    decide,
    paired,
    relative,
    welch,
)
from pytest_energybench.results.model import (
    MORE_THAN,
    NOT_COMPARABLE,
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


@dataclass(frozen=True)
class Figures:
    """One side of a comparison.

    Attributes:
        total_j: IT energy in joules, the median over the rounds; None where it is not known.
        rounds_j: IT energy of each independent round in joules, in the order they ran; empty is
            read as one round of `total_j`.
        provenance: domain -> where its joules come from.
        nodeid: the case it belongs to, where it is a whole case.
        flags: what was said of each round.
    """

    total_j: float | None
    rounds_j: tuple[float | None, ...] = ()
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    nodeid: str | None = None
    flags: tuple[Sequence[str], ...] = ()

    @classmethod
    def of(cls, case: Case) -> Figures:
        """The figures of a whole case."""
        return cls(
            total_j=case.total_j,
            rounds_j=tuple(each.total_j for each in case.rounds),
            provenance=case.provenance,
            nodeid=case.nodeid,
            flags=tuple(each.flags for each in case.rounds),
        )

    @cached_property
    def samples(self) -> tuple[float, ...]:
        """Joules of the rounds, one at least; empty where any of them is not known."""
        rounds = self.rounds_j or (self.total_j,)
        known = tuple(joules for joules in rounds if joules is not None and is_energy(joules))
        return known if len(known) == len(rounds) else ()


def known_as(reference: Case, case: Case) -> str:
    """What a case calls its group's reference: by the words among the parameters in which they
    differ, else by other such parameters, else by name."""
    other = [
        value
        for name, value in reference.params.items()
        if name in case.params and case.params[name] != value
    ]
    words = [value for value in other if isinstance(value, str)]
    return "-".join(map(str, words or other)) or reference.name


def is_energy(joules: float | None) -> bool:
    """Whether a figure can be an energy at all: finite and not negative."""
    return joules is not None and math.isfinite(joules) and joules >= 0


def provenance_word(provenance: Mapping[str, Provenance]) -> str:
    """Where a total comes from: `measured`, or `measured + estimated` for a mixed sum."""
    words = set(provenance.values())
    ranked = [word for word in ("measured", "integrated", "estimated") if word in words]
    return " + ".join(ranked) or "provenance unknown"


def unlike(candidate: Mapping[str, Provenance], reference: Mapping[str, Provenance]) -> str | None:
    """What makes two sums of domains incomparable, in a few words; None where they are alike.

    Domains are compared by kind and number: `gpu:0` on one worker and `gpu:1` on another are both a
    GPU, two GPUs are more than one.
    """
    if candidate == reference:
        return None
    ours, theirs = _by_kind(candidate), _by_kind(reference)
    absent = "not metered"
    differences = [
        f"{kind} is {ours.get(kind, absent)} here and {theirs.get(kind, absent)} there"
        for kind in sorted(ours.keys() | theirs.keys())
        if ours.get(kind) != theirs.get(kind)
    ]
    return ", ".join(differences) or None


def _by_kind(provenance: Mapping[str, Provenance]) -> dict[str, str]:
    words: dict[str, Counter[str]] = {}
    for domain, word in provenance.items():
        kind = domain.rpartition("/")[2].partition(":")[0]
        words.setdefault(kind, Counter())[word] += 1
    return {
        kind: " + ".join(word if n == 1 else f"{n} x {word}" for word, n in sorted(found.items()))
        for kind, found in words.items()
    }


def judge_budget(
    total_j: float | None,
    limit_j: float,
    *,
    provenance: Mapping[str, Provenance] | None = None,
    n: int = 1,
    source: str = "",
    flags: Sequence[Sequence[str]] = (),
) -> Comparison:
    """A case's IT energy against a limit: it holds at or below it.

    A busy machine only adds joules, so what is within the limit stays so, and what is above it is
    `unclear`. A window too short for its counter shows either only if the limit is far off.

    Args:
        total_j: joules, the median over the rounds; None (not known) does not hold.
        limit_j: joules.
        provenance: domain -> where its joules come from.
        n: rounds behind `total_j`.
        source: where the limit is stated.
        flags: what was said of each round.
    """
    return _limited(
        "energy",
        total_j,
        limit_j,
        energies,
        f" ({provenance_word(provenance or {})})",
        n,
        source,
        disturbances(flags),
    )


def judge_duration(
    duration_s: float, limit_s: float, *, n: int = 1, source: str = ""
) -> Comparison:
    """A case's duration in seconds against a limit in seconds, judged like an energy budget."""
    return _limited("duration", duration_s, limit_s, durations, "", n, source, ())


def _limited(
    name: str,
    figure: float | None,
    limit: float,
    write: Callable[[float, float], tuple[str, str]],
    note: str,
    n: int,
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
        quantity=name,
        finding=finding,
        limit=limit,
        estimate=change,
        n=n,
        judged=judged,
    )


def _why(is_within: bool, at_most: float, limit: float, spoiled: Sequence[Disturbance]) -> str:
    """Why a limit does not hold; empty where it does."""
    is_short = any(each.word == SHORT for each in spoiled)
    if is_within:
        return SHORT if is_short and not 0 < at_most <= limit else ""
    return spoiled[0].word if spoiled else OVER_BUDGET


def judge_group(
    case: Case, reference: Case, *, margin: float, interleaved: bool, allow_mismatch: bool = False
) -> Comparison:
    """A case's energy against that of its group's reference; see `judge_change`."""
    return judge_change(
        Figures.of(case),
        Figures.of(reference),
        name=known_as(reference, case),
        margin=margin,
        interleaved=interleaved,
        allow_mismatch=allow_mismatch,
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
    """A case's energy against another's: it holds where it is shown not to be above the margin.

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
    tolerated = effective_margin(base_j, margin, floor_j) if base_j else margin
    made = Comparison(
        reference=against,
        name=name,
        nodeid=reference.nodeid,
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
        lower, upper = among or bounds_among([found], [tolerated])[0]
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
    ours, theirs = energies(ours_j, theirs_j)
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
    """Log ratio of two cases' rounds; None where a figure is unknown, 0 J or a single round."""
    ours, theirs = candidate.samples, reference.samples
    if min(len(ours), len(theirs)) < 2 or not all(ours + theirs):
        return None
    if interleaved and len(ours) == len(theirs):
        return paired(ours, theirs)
    return welch(ours, theirs)


def effective_margin(reference_j: float, margin: float, floor_j: float) -> float:
    """The relative margin that says the same as "above the margin and above the floor".

    Args:
        reference_j: joules, above 0.
        margin: relative increase that is tolerated.
        floor_j: increase in joules that is tolerated.
    """
    return max(margin, min(floor_j / reference_j, _LARGEST_MARGIN))


def _obstacle(
    candidate: Figures, reference: Figures, allow_mismatch: bool, name: str
) -> tuple[str, str]:
    """Why two figures can't be compared, as reason and sentence; empty where they can."""
    sides = ((candidate, "the case's"), (reference, f"{name}'s"))
    for figures, owner in sides:
        if not figures.samples:
            return NOT_MEASURED, f"{owner} energy is not known"
    difference = unlike(candidate.provenance, reference.provenance)
    if difference and not allow_mismatch:
        return NOT_COMPARABLE, difference
    for figures, owner in sides:
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
