"""What a gate judges: joules of a case's rounds or windows, whole or per functional unit.

What was wrong with the rounds behind a figure goes with it: then it shows no change, whatever it
is. Other processes' work moves CPU seconds as well as the counters of a whole package, and only
ever adds. A window too short for its counter is off by the steps of that counter, either way.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, median

from pytest_energybench.base.domains import kind_of
from pytest_energybench.base.flags import (
    ACROSS_NAMESAKE,
    BUSY,
    INSIDE_CALL,
    INSIDE_NAMESAKE,
    SHORT,
    partly_without,
    spoils,
)
from pytest_energybench.results.model import Case, Provenance, Round, Window


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
        unit: functional unit that figures are per one of; empty for the energy of a whole round.
        counts: how many of it each round made; None where it was not counted.
        seeds: of each round; those of one seed make a pair. Empty where a round has none, or
            another one's.
        are_runs: the rounds are earlier runs, in the order of time.
        missing: why they are of a part of the work only; empty where they aren't.
    """

    total_j: float | None
    rounds_j: tuple[float | None, ...] = ()
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    nodeid: str | None = None
    flags: tuple[Sequence[str], ...] = ()
    unit: str = ""
    counts: tuple[float | None, ...] = ()
    seeds: tuple[int, ...] = ()
    are_runs: bool = False
    missing: str = ""

    @classmethod
    def of(cls, case: Case, unit: str = "") -> Figures:
        """The figures of a whole case.

        Where several rounds have one seed and others another, those of one seed are one round, the
        mean of their figures: only other seeds show how far chance goes.
        """
        samples = _samples(case)
        seeds = dict.fromkeys(each[0].seed for each in samples)
        known = tuple(seed for seed in seeds if seed is not None)
        return cls(
            total_j=case.total_j,
            rounds_j=tuple(_mean([each.total_j for each in rounds]) for rounds in samples),
            provenance=case.provenance,
            nodeid=case.nodeid,
            flags=tuple([flag for each in rounds for flag in each.flags] for rounds in samples),
            unit=unit,
            counts=tuple(_mean([each.units.get(unit) for each in rounds]) for rounds in samples)
            if unit
            else (),
            seeds=known if len(known) == len(samples) else (),
            missing=case.missing,
        )

    @cached_property
    def joules(self) -> tuple[float, ...]:
        """Joules of the rounds, one at least; empty where any of them is not known."""
        rounds = self.rounds_j or (self.total_j,)
        known = tuple(joules for joules in rounds if joules is not None and is_energy(joules))
        return known if len(known) == len(rounds) else ()

    @cached_property
    def samples(self) -> tuple[float, ...]:
        """What is compared: joules of the rounds, or joules per unit; empty where not known."""
        if not self.unit:
            return self.joules
        if not self.joules or self.uncounted:
            return ()
        found = tuple(j / (n or math.nan) for j, n in zip(self.joules, self.counts, strict=True))
        return found if all(map(is_energy, found)) else ()

    @property
    def partial(self) -> list[str]:
        """Domains whose joules are in some of the rounds' windows and missing in others."""
        return partly_without(self.provenance, [flag for flags in self.flags for flag in flags])

    @cached_property
    def uncounted(self) -> str:
        """Why there are no joules per unit, as a clause; empty where nothing keeps from them."""
        if not self.unit:
            return ""
        rounds = max(1, len(self.rounds_j))
        missing = rounds - sum(count is not None for count in self.counts)
        if missing:
            where = f" in {missing} of {rounds} rounds" if missing < rounds else ""
            return f"no {self.unit} was counted{where}: no energy.per(...) names it"
        if not all(self.counts):
            where = f" in {sum(not n for n in self.counts)} of {rounds} rounds" * (rounds > 1)
            return f"the count of {self.unit} is 0{where}"
        return ""


def _samples(case: Case) -> list[list[Round]]:
    """The rounds, those together that are one sample; see `Figures.of`."""
    by_seed: dict[int, list[Round]] = {}
    for seed, each in zip(case.seeds, case.rounds, strict=False):
        by_seed.setdefault(seed, []).append(each)
    return list(by_seed.values()) if len(by_seed) > 1 else [[each] for each in case.rounds]


def _mean(values: Sequence[float | None]) -> float | None:
    """None where one of the values is not known."""
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def counts_of(case: Case, unit: str) -> tuple[float | None, ...]:
    """How many of a functional unit each round made; empty without a unit."""
    return tuple(each.units.get(unit) for each in case.rounds) if unit else ()


def window_figures(case: Case, name: str, unit: str = "") -> Figures:
    """Joules of the windows in each round, or per functional unit that the round made.

    A round in which that is not known has no figure; `why_unknown` says why.
    """
    rounds = _by_round(case, name)
    return Figures(
        total_j=None,
        rounds_j=tuple(_total(windows) for windows in rounds),
        provenance={
            domain: word
            for windows in rounds
            for window in windows
            for domain, word in window.provenance.items()
        },
        nodeid=case.nodeid,
        flags=tuple([flag for window in windows for flag in window.flags] for windows in rounds),
        unit=unit,
        counts=counts_of(case, unit),
    )


def window_duration(case: Case, name: str) -> float | None:
    """Seconds in the windows, the median over the rounds; None where that is not known."""
    if why_unknown(case, name):
        return None
    return median(sum(each.duration_s for each in windows) for windows in _by_round(case, name))


def why_unknown(case: Case, name: str) -> str:
    """Why the windows of a name have no figures of their own; empty where they have."""
    rounds = _by_round(case, name)
    if not any(rounds):
        names = ", ".join(dict.fromkeys(repr(window.name) for window in case.windows)) or "none"
        return f"the test has no window {name!r} (it has {names})"
    if not all(rounds):
        missing = sum(not windows for windows in rounds)
        return f"there is no window {name!r} in {missing} of {len(rounds)} rounds"
    if any(ACROSS_NAMESAKE in window.flags for windows in rounds for window in windows):
        return f"windows {name!r} overlap, so their sum would count joules twice"
    if any(entry.iterations > 1 for entry in case.rounds) or any(
        INSIDE_CALL in window.flags for windows in rounds for window in windows
    ):
        return f"window {name!r} belongs to a measured call, which may have been repeated"
    return ""


def _by_round(case: Case, name: str) -> list[list[Window]]:
    """The windows of a name in each round, without those inside another of them."""
    found: list[list[Window]] = [[] for _ in case.rounds]
    for window in case.windows:
        is_whole = window.name == name and INSIDE_NAMESAKE not in window.flags
        if is_whole and window.round < len(found):
            found[window.round].append(window)
    return found


def _total(windows: Sequence[Window]) -> float | None:
    known = [window.total_j for window in windows if window.total_j is not None]
    return math.fsum(known) if windows and len(known) == len(windows) else None


def side_by_side(
    case: Case, reference: Case, *, allow_mismatch: bool = False
) -> tuple[Figures, Figures]:
    """The figures by which two cases are compared: per the first functional unit that both count,
    of whole rounds where neither counts any.

    Where they have no unit in common each has its own, and they are not alike.

    Args:
        allow_mismatch: compare whole rounds then.
    """
    ours, theirs = (
        dict.fromkeys(unit for entry in each.rounds for unit in entry.units)
        for each in (case, reference)
    )
    unit = next((unit for unit in ours if unit in theirs), None)
    if unit is not None or allow_mismatch:
        return Figures.of(case, unit or ""), Figures.of(reference, unit or "")
    return Figures.of(case, next(iter(ours), "")), Figures.of(reference, next(iter(theirs), ""))


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
        words.setdefault(kind_of(domain), Counter())[word] += 1
    return {
        kind: " + ".join(word if n == 1 else f"{n} x {word}" for word, n in sorted(found.items()))
        for kind, found in words.items()
    }


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Why rounds decide nothing.

    Attributes:
        word: `machine busy` or `too short`.
        caution: the flag of the first such round, and how many rounds have one.
    """

    word: str
    caution: str


def disturbances(rounds: Sequence[Sequence[str]]) -> list[Disturbance]:
    """What disturbed the rounds; a busy machine goes before a short window.

    Args:
        rounds: the flags of each round.
    """
    if not any(rounds):
        return []
    return [found for word in (BUSY, SHORT) if (found := _disturbance(rounds, word))]


def _disturbance(rounds: Sequence[Sequence[str]], word: str) -> Disturbance | None:
    first = [next((flag for flag in flags if spoils(flag) == word), None) for flags in rounds]
    flags = [flag for flag in first if flag is not None]
    if not flags:
        return None
    where = "" if len(rounds) == 1 else f" in {len(flags)} of {len(rounds)} rounds"
    return Disturbance(word, f"caution: {flags[0]}{where}")
