"""Rounds of a case and of its reference that belong together."""

from __future__ import annotations

from collections.abc import Sequence

NO_PAIRS = "; there are no two pairs of rounds: their seeds or their numbers differ"
"""What is said where `make_no_pairs` holds."""


def paired_by_seed(
    our_seeds: Sequence[int | None],
    ours: Sequence[float],
    their_seeds: Sequence[int | None],
    theirs: Sequence[float],
) -> list[float]:
    """Ours less theirs of each pair of rounds: by their seeds where they have some, else in their
    order where there are as many of each. Empty where rounds are no pairs."""
    first = dict(zip(our_seeds, ours, strict=False))
    second = dict(zip(their_seeds, theirs, strict=False))
    seeds = {*first, *second}
    distinct = len(first) == len(ours) and len(second) == len(theirs)
    if distinct and seeds and None not in seeds:
        return [first[seed] - second[seed] for seed in first if seed in second]
    if len(ours) != len(theirs):
        return []
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def make_no_pairs(
    differences: Sequence[float], ours: Sequence[float], theirs: Sequence[float]
) -> bool:
    """Whether both have several rounds and fewer than two pairs: then a rule for one round would
    judge what nobody has compared."""
    return len(differences) < 2 <= min(len(ours), len(theirs))
