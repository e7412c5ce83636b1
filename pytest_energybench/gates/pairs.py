"""Rounds of a case and of its reference that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

NO_PAIRS = "; there are no two pairs of rounds: their seeds or their numbers differ"
"""What is said where `make_no_pairs` holds."""


def paired_by_seed(
    our_seeds: Sequence[int | None],
    ours: Sequence[float],
    their_seeds: Sequence[int | None],
    theirs: Sequence[float],
) -> list[tuple[float, float]]:
    """Ours and theirs of each pair of rounds: by their seeds where they have some, else in their
    order where there are as many of each. Empty where rounds are no pairs.

    Rounds of one seed beside those of another are one sample, their mean, as energies are.
    """
    first, second = _by_seed(our_seeds, ours), _by_seed(their_seeds, theirs)
    if first and second and len({*first, *second}) > 1:
        return [(first[seed], second[seed]) for seed in first if seed in second]
    return list(zip(ours, theirs, strict=True)) if len(ours) == len(theirs) else []


def _by_seed(seeds: Sequence[int | None], values: Sequence[float]) -> dict[int | None, float]:
    """The mean of each seed's rounds; empty unless each round has a seed."""
    found: dict[int | None, list[float]] = {}
    for seed, value in zip(seeds, values, strict=False):
        found.setdefault(seed, []).append(value)
    if len(seeds) != len(values) or None in found:
        return {}
    return {seed: fmean(each) for seed, each in found.items()}


def make_no_pairs(
    pairs: Sequence[tuple[float, float]], ours: Sequence[float], theirs: Sequence[float]
) -> bool:
    """Whether both have several rounds and fewer than two pairs: then a rule for one round would
    judge what nobody has compared."""
    return len(pairs) < 2 <= min(len(ours), len(theirs))
