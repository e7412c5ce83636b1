"""The search engine against the exhaustive scan, on curves that fall and on curves that wobble."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.experiment.compression.search import (
    Search,
    search,
    with_full_curve,
)
from pytest_energybench.experiment.compression.tolerance import Tolerance
from pytest_energybench.experiment.training.errors import SettingError
from tests.experiment.training.told import Told

TOTAL = 359


@dataclass(frozen=True)
class Seen:
    correct: int
    total: int = TOTAL
    loss: float = math.nan


class Curve:
    """A model whose correct images by level are given; remembers what was asked.

    With `stops` it breaks off after the batch of `stops` images in which too many were wrong; the
    wrong ones come last, and so as late as can be.
    """

    def __init__(self, correct: list[int], total: int = TOTAL, stops: int | None = None) -> None:
        self.correct = correct
        self.total = total
        self.stops = stops
        self.asked: Counter[int] = Counter()
        self.seen: list[Seen] = []

    def __call__(self, level: int, most_wrong: int | None) -> Seen:
        self.asked[level] += 1
        seen = self.total
        if self.stops is not None and most_wrong is not None:
            decided = self.correct[level] + most_wrong + 1
            seen = min(self.total, -(-decided // self.stops) * self.stops)
        self.seen.append(Seen(min(seen, self.correct[level]), seen))
        return self.seen[-1]

    def passes(self, level: int) -> bool:
        return Tolerance(0.01).keeps(
            Seen(self.correct[level], self.total), Seen(self.correct[0], self.total)
        )


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
    ours = search("bits", 31, bisected, Tolerance(0.01))
    scan = search("bits", 31, scanned, Tolerance(0.01), strategy="exhaustive")
    assert ours.found == scan.found
    assert ours.evaluations <= 6
    assert ours.reference_evaluations == scan.evaluations == scan.reference_evaluations
    check_both_sides(ours, bisected, 31)


@given(wobbling())
def test_both_sides_are_verified_on_any_curve_and_nothing_twice(correct: list[int]) -> None:
    curve = Curve(correct)
    found = search("bits", 31, curve, Tolerance(0.01))
    check_both_sides(found, curve, 31)
    assert set(curve.asked.values()) == {1}
    assert found.evaluations == len(curve.asked) == len(found.curve)
    assert found.images == TOTAL * found.evaluations


@given(wobbling(), st.integers(1, TOTAL), st.sampled_from([0.0, 0.01, 0.05]))
def test_breaking_off_finds_the_same_level_and_tells_what_it_saw(
    correct: list[int], batch: int, drop: float
) -> None:
    full, stopping = Curve(correct), Curve(correct, stops=batch)
    whole = search("bits", 31, full, Tolerance(drop), whole=True)
    found = search("bits", 31, stopping, Tolerance(drop))
    assert (found.found, found.evaluations) == (whole.found, whole.evaluations)
    assert list(stopping.asked) == list(full.asked)
    assert found.images == sum(seen.total for seen in stopping.seen) <= whole.images
    for probe, exact in zip(found.curve, whole.curve, strict=True):
        assert probe.level == exact.level
        assert probe.split == exact.total
        if probe.whole:
            assert probe.accuracy == exact.accuracy
        else:
            assert probe.level > found.found
            assert exact.accuracy <= probe.accuracy < found.curve[0].accuracy - drop


@given(wobbling(), st.sampled_from([0.0, 0.01, 0.05]))
def test_one_more_image_than_may_be_wrong_fails(correct: list[int], drop: float) -> None:
    reference = Seen(correct[0])
    most = Tolerance(drop).most_wrong(reference)
    assert Tolerance(drop).keeps(Seen(TOTAL - most), reference)
    assert most == TOTAL or not Tolerance(drop).keeps(Seen(TOTAL - most - 1), reference)


@pytest.mark.parametrize("how", [{"whole": True}, {"strategy": "exhaustive"}])
def test_the_scan_and_whole_curves_see_every_image_of_what_fails(how: dict[str, Any]) -> None:
    curve = Curve([340, 330, 10, 5], stops=1)
    found = search("bits", 3, curve, Tolerance(0.01), **how)
    assert all(probe.whole for probe in found.curve)
    assert found.images == TOTAL * found.evaluations


@given(wobbling())
def test_where_the_curve_crosses_once_wobbling_changes_nothing(correct: list[int]) -> None:
    curve = Curve(correct)
    verdicts = [curve.passes(level) for level in range(32)]
    if verdicts == sorted(verdicts, reverse=True):
        scan = search("bits", 31, Curve(correct), Tolerance(0.01), strategy="exhaustive")
        assert search("bits", 31, curve, Tolerance(0.01)).found == scan.found


@given(wobbling(), st.integers(0, 31))
def test_levels_that_give_the_same_model_are_evaluated_once(correct: list[int], idle: int) -> None:
    correct = [correct[max(level, idle)] for level in range(32)]
    curve = Curve(correct)
    found = search("bits", 31, curve, Tolerance(0.01), state=lambda level: max(level, idle))
    assert found.found == search("bits", 31, Curve(correct), Tolerance(0.01)).found
    assert found.evaluations == curve.asked.total()
    assert len({max(level, idle) for level in curve.asked}) == curve.asked.total()
    check_both_sides(found, curve, 31)


def test_a_drop_of_exactly_the_limit_passes() -> None:
    assert Tolerance(0.01).keeps(Seen(97, 100), Seen(98, 100))
    assert not Tolerance(0.01).keeps(Seen(96, 100), Seen(98, 100))
    assert Tolerance(0.01).keeps(Seen(289, 700), Seen(296, 700))


def test_a_curve_that_never_fails_gives_the_last_level() -> None:
    assert search("bits", 31, Curve([340] * 32), Tolerance(0.01)).found == 31


def test_the_full_curve_has_every_level_and_keeps_what_the_answer_took() -> None:
    curve = Curve([340, 300, 310, 2])
    found = search("bits", 3, curve, Tolerance(0.01))
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


def test_each_evaluation_is_told_with_how_many_there_will_be() -> None:
    told = Told()
    found = search("bits", 31, Curve([340] * 20 + [100] * 12), Tolerance(0.01), progress=told)
    assert told.words == [f"{done} of ~6 evaluations" for done in range(1, 7)]
    assert found.evaluations == 6


def test_a_scan_and_a_full_curve_say_how_far_they_can_go() -> None:
    told, curve = Told(), Curve([340, 340, 100, 90, 80])
    found = search("bits", 4, curve, Tolerance(0.01), strategy="exhaustive", progress=told)
    with_full_curve(found, 4, curve, told)
    assert told.words == [
        "1 of at most 5 evaluations",
        "2 of at most 5 evaluations",
        "3 of at most 5 evaluations",
        "1 of 2 further evaluations",
        "2 of 2 further evaluations",
    ]


def test_an_unknown_strategy_is_refused_by_name() -> None:
    with pytest.raises(SettingError, match="'greedy': choose one of bisection, exhaustive"):
        search("bits", 31, Curve([340] * 32), Tolerance(0.01), strategy="greedy")


def test_what_raises_the_loss_too_much_fails_though_its_answers_are_right() -> None:
    losses = [1.0, 1.005, 1.02, 1.02, 1.0]
    tolerance = Tolerance.of(0.01, perplexity=0.01)
    found = search("bits", 3, lambda level, _: Seen(340, TOTAL, losses[level]), tolerance)
    assert found.found == 1
    start = Seen(340, TOTAL, 1.0)
    assert tolerance.left(start, Seen(340, TOTAL, 1.005)).rise == pytest.approx(
        math.log(1.01) - 0.005
    )
    assert tolerance.part(0.5).keeps(Seen(340, TOTAL, 1.0049), start)
    assert not tolerance.part(0.5).keeps(Seen(340, TOTAL, 1.0051), start)
    assert not tolerance.keeps(Seen(340, TOTAL, math.nan), start)  # what is not known
