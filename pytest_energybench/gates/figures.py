"""What a gate judges: the joules of a case's rounds and where they come from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pytest_energybench.results.model import Case, Provenance


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
