"""What models take in use, read from cases that ran in turn with the baseline."""

from __future__ import annotations

import math

import pytest

from pytest_energybench.experiment.paper.matrix import IN_TURN, in_turn
from pytest_energybench.results.model import Case, Round, Series


def used(ratios: dict[int, list[float]], *, rounds: int = 2) -> Case:
    """A case with `rounds` pairs of each seed; the curve of a seed begins at its first round."""
    made = [
        Round(started="", duration_s=1.0, energy_j={}, total_j=1.0, seed=seed)
        for seed in ratios
        for _ in range(rounds)
    ]
    curves = [
        Series(name=IN_TURN, x="pair", points=list(enumerate(pairs, 1)), round=place * rounds)
        for place, pairs in enumerate(ratios.values())
    ]
    return Case(nodeid="a", name="a", rounds=made, series=curves)


def test_the_pairs_of_a_seed_are_one_sample() -> None:
    found = in_turn(used({101: [0.4, 0.9], 102: [0.5, 0.8]}))
    assert found is not None
    assert found.n == 2
    assert found.value == pytest.approx(math.sqrt(0.6 * math.sqrt(0.4)))


def test_one_seed_has_no_interval_however_many_pairs_it_has() -> None:
    found = in_turn(used({101: [0.4, 0.6]}))
    assert found is not None
    assert (found.n, found.bounds) == (1, None)


def test_a_pair_without_a_figure_leaves_none() -> None:
    assert in_turn(used({101: [0.4, 0.6], 102: [0.5]})) is None
    assert in_turn(used({101: []})) is None
