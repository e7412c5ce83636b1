"""The point rule, and the bound told beside it."""

import math

import pytest

from pytest_energybench.gates.accuracy import (
    Score,
    difference_bounds,
    judge_accuracy,
    judge_accuracy_floor,
)
from pytest_energybench.gates.message import failure_message, passes


@pytest.mark.parametrize(
    ("accuracy", "kind"),
    [
        (0.990, "improved"),
        (0.985, "within"),
        (0.975, "within"),  # 0.985 - 0.975 is 0.010000000000000009
        (0.9749, "regressed"),
    ],
)
def test_a_drop_of_one_point_passes_and_a_larger_one_fails(accuracy, kind):
    judged = judge_accuracy(Score(accuracy), Score(0.985), 0.01)
    assert judged.verdict.kind == kind
    assert passes(judged) == (kind != "regressed")
    assert judged.quantity == "accuracy"
    assert judged.limit == 0.01
    assert judged.verdict.delta == pytest.approx(accuracy - 0.985)


def test_every_drop_of_exactly_one_image_in_a_hundred_passes_at_one_point():
    for correct in range(1, 101):
        judged = judge_accuracy(
            Score.of_counts(correct - 1, 100), Score.of_counts(correct, 100), 0.01
        )
        assert passes(judged), correct


def test_the_message_has_both_accuracies_the_limit_and_the_bound_in_three_lines():
    judged = judge_accuracy(
        Score.of_counts(700, 719), Score.of_counts(710, 719), 0.01, nodeid="t.py::t[plain]"
    )
    assert failure_message(judged).splitlines() == [
        "accuracy 0.9736 drops by more than 1 points from the baseline's 0.9875: -1.39 points",
        "baseline: t.py::t[plain]",
        "one-sided 95 % bounds -2.68 points and -0.18 points",
    ]


def test_the_bound_is_told_and_does_not_gate():
    few = judge_accuracy(Score.of_counts(36, 40), Score.of_counts(36, 40), 0.01)
    assert few.verdict.kind == "within"
    assert few.verdict.interval[0] < -0.05


def test_the_bounds_are_newcombes():
    # Newcombe 1998, Table II, 56/70 and 48/80 by method 10, two-sided 95 %: 0.0524 to 0.3339.
    # One-sided limits at 97.5 % would be these; at 95 % they lie strictly inside.
    low, high = difference_bounds(Score.of_counts(56, 70), Score.of_counts(48, 80))
    assert 0.0524 < low < 0.2 < high < 0.3339
    assert low == pytest.approx(0.0767, abs=5e-4)
    assert high == pytest.approx(0.3135, abs=5e-4)


def test_more_images_make_the_bounds_tighter_and_unknown_counts_make_none():
    low_few, _ = difference_bounds(Score.of_counts(90, 100), Score.of_counts(90, 100))
    low_many, _ = difference_bounds(Score.of_counts(9000, 10000), Score.of_counts(9000, 10000))
    assert low_few < 8 * low_many < 0
    assert difference_bounds(Score(0.9), Score.of_counts(90, 100)) is None


@pytest.mark.parametrize("score", [None, Score(math.nan), Score(1.2), Score(-0.1)])
def test_an_accuracy_that_is_none_is_an_error(score):
    assert judge_accuracy(score, Score(0.9), 0.01).verdict.kind == "error"
    assert judge_accuracy(Score(0.9), score, 0.01).verdict.kind == "error"
    assert judge_accuracy_floor(score, 0.9).verdict.kind == "error"


def test_a_minimum_is_reached_or_not():
    assert judge_accuracy_floor(Score(0.9), 0.9).verdict.kind == "within"
    below = judge_accuracy_floor(Score(0.85), 0.9, source="budgets.toml")
    assert below.verdict.kind == "regressed"
    assert failure_message(below) == (
        "accuracy 0.8500 is below the minimum of 0.9000 (budgets.toml): -5.00 points"
    )


@pytest.mark.parametrize(("correct", "total"), [(0, 0), (-1, 5), (6, 5)])
def test_counts_that_cannot_be_are_refused(correct, total):
    with pytest.raises(ValueError, match=f"{correct} of {total}"):
        Score.of_counts(correct, total)
