"""The search engine against the exhaustive scan, on curves that fall and on curves that wobble."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.compression.search import Search, passes, search, with_full_curve
from pytest_energybench.training.errors import SettingError

TOTAL = 359


@dataclass(frozen=True)
class Seen:
    correct: int
    total: int = TOTAL


class Curve:
    """A model whose correct images by level are given; remembers what was asked."""

    def __init__(self, correct: list[int], total: int = TOTAL) -> None:
        self.correct = correct
        self.total = total
        self.asked: Counter[int] = Counter()

    def __call__(self, level: int) -> Seen:
        self.asked[level] += 1
        return Seen(self.correct[level], self.total)

    def passes(self, level: int) -> bool:
        return passes(self.correct[level], self.total, Seen(self.correct[0], self.total), 0.01)


@st.composite
def falling(draw: st.DrawFn, levels: int = 32) -> list[int]:
    steps = draw(st.lists(st.sampled_from([0, 0, 0, 1, 5, 60]), min_size=levels, max_size=levels))
    correct = 340
    curve = []
    for step in steps:
        curve.append(max(0, correct))
        correct -= step
    return curve


@st.composite
def wobbling(draw: st.DrawFn) -> list[int]:
    curve = draw(falling())
    noise = draw(st.lists(st.integers(-4, 4), min_size=32, max_size=32))
    return [max(0, min(TOTAL, value + shift)) for value, shift in zip(curve, noise, strict=True)]


def check_both_sides(found: Search, curve: Curve, last: int) -> None:
    levels = {probe.level for probe in found.curve}
    assert found.found in levels
    assert curve.passes(found.found)
    if found.found < last:
        assert found.found + 1 in levels
        assert not curve.passes(found.found + 1)


@given(falling())
def test_bisection_finds_what_the_scan_finds(correct: list[int]) -> None:
    bisected, scanned = Curve(correct), Curve(correct)
    ours = search("bits", 31, bisected, 0.01)
    scan = search("bits", 31, scanned, 0.01, strategy="exhaustive")
    assert ours.found == scan.found
    assert ours.evaluations <= 6
    assert ours.reference_evaluations == scan.evaluations == scan.reference_evaluations
    check_both_sides(ours, bisected, 31)


@given(wobbling())
def test_both_sides_are_verified_on_any_curve_and_nothing_twice(correct: list[int]) -> None:
    curve = Curve(correct)
    found = search("bits", 31, curve, 0.01)
    check_both_sides(found, curve, 31)
    assert set(curve.asked.values()) == {1}
    assert found.evaluations == len(curve.asked) == len(found.curve)
    assert found.images == TOTAL * found.evaluations


@given(wobbling())
def test_where_the_curve_crosses_once_wobbling_changes_nothing(correct: list[int]) -> None:
    curve = Curve(correct)
    verdicts = [curve.passes(level) for level in range(32)]
    if verdicts == sorted(verdicts, reverse=True):
        scan = search("bits", 31, Curve(correct), 0.01, strategy="exhaustive")
        assert search("bits", 31, curve, 0.01).found == scan.found


@given(wobbling(), st.integers(0, 31))
def test_levels_that_give_the_same_model_are_evaluated_once(correct: list[int], idle: int) -> None:
    correct = [correct[max(level, idle)] for level in range(32)]
    curve = Curve(correct)
    found = search("bits", 31, curve, 0.01, state=lambda level: max(level, idle))
    assert found.found == search("bits", 31, Curve(correct), 0.01).found
    assert found.evaluations == curve.asked.total()
    assert len({max(level, idle) for level in curve.asked}) == curve.asked.total()
    check_both_sides(found, curve, 31)


def test_a_drop_of_exactly_the_limit_passes() -> None:
    assert passes(97, 100, Seen(98, 100), 0.01)
    assert not passes(96, 100, Seen(98, 100), 0.01)
    assert passes(289, 700, Seen(296, 700), 0.01)


def test_a_curve_that_never_fails_gives_the_last_level() -> None:
    assert search("bits", 31, Curve([340] * 32), 0.01).found == 31


def test_the_full_curve_has_every_level_and_keeps_what_the_answer_took() -> None:
    curve = Curve([340, 300, 310, 2])
    found = search("bits", 3, curve, 0.01)
    whole = with_full_curve(found, 3, curve)
    assert [(probe.level, probe.correct) for probe in whole.curve] == [
        (0, 340),
        (1, 300),
        (2, 310),
        (3, 2),
    ]
    assert (whole.found, whole.evaluations) == (found.found, found.evaluations)
    assert whole.images == TOTAL * 4
    assert curve.asked.total() == 4


def test_an_unknown_strategy_is_refused_by_name() -> None:
    with pytest.raises(SettingError, match="'greedy': choose one of bisection, exhaustive"):
        search("bits", 31, Curve([340] * 32), 0.01, strategy="greedy")
