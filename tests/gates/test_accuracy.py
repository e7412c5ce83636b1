"""The point rule, and the bound told beside it."""

import math
from functools import partial

import msgspec
import pytest

from pytest_energybench.gates.accuracy import (
    Score,
    difference_bounds,
    judge_accuracy,
    judge_accuracy_floor,
    mcnemar_bounds,
)
from pytest_energybench.gates.results import failure_message, passes
from pytest_energybench.results.answers import pack
from pytest_energybench.results.model import Case, Round

against = partial(judge_accuracy, name="plain")


@pytest.mark.parametrize(
    ("accuracy", "finding"),
    [
        (0.990, "kept"),
        (0.985, "kept"),
        (0.975, "kept"),  # 0.985 - 0.975 is 0.010000000000000009
        (0.9749, "lost"),
    ],
)
def test_a_drop_of_one_point_passes_and_a_larger_one_fails(accuracy, finding):
    judged = against(Score(accuracy), Score(0.985), 0.01)
    assert judged.finding == finding
    assert passes(judged) == (finding == "kept")
    assert judged.judged.reason == ("" if finding == "kept" else "accuracy lost")
    assert judged.quantity == "accuracy"
    assert (judged.margin, judged.limit) == (0.01, pytest.approx(0.975))
    assert judged.estimate == pytest.approx(accuracy - 0.985)


def test_every_drop_of_exactly_one_image_in_a_hundred_passes_at_one_point():
    for correct in range(1, 101):
        judged = against(Score.of_counts(correct - 1, 100), Score.of_counts(correct, 100), 0.01)
        assert passes(judged), correct


def test_the_message_has_both_accuracies_the_limit_and_the_bound_in_three_lines():
    judged = against(
        Score.of_counts(700, 719), Score.of_counts(710, 719), 0.01, nodeid="t.py::t[plain]"
    )
    assert failure_message(judged).splitlines() == [
        "accuracy 0.9736 drops by more than 1 point from plain's 0.9875: −1.39 points",
        "reference: t.py::t[plain]",
        "one-sided 95 % bounds −2.68 points and −0.18 points",
    ]


def test_the_bound_is_told_and_does_not_gate():
    few = against(Score.of_counts(36, 40), Score.of_counts(36, 40), 0.01)
    assert few.finding == "kept"
    assert few.interval[0] < -0.05


def test_it_is_better_only_where_its_interval_excludes_no_change():
    base = Score.of_counts(600, 1000)
    assert against(Score.of_counts(610, 1000), base, 0.01).finding == "kept"
    assert against(Score.of_counts(700, 1000), base, 0.01).finding == "better"


@pytest.mark.parametrize(
    ("changes", "finding", "reason"),
    [
        ((-0.001, 0.001, 0.0), "kept", ""),
        ((-0.05, -0.051, -0.049), "lost", "accuracy lost"),
        ((-0.03, 0.02, 0.01), "undecided", "too noisy"),
        ((0.05, 0.051, 0.049), "better", ""),
    ],
)
def test_of_several_rounds_the_bounds_of_their_mean_difference_decide(changes, finding, reason):
    base = (0.9, 0.91, 0.89)
    ours = tuple(each + change for each, change in zip(base, changes, strict=True))
    found = against(Score(sum(ours) / 3, rounds=ours), Score(0.9, rounds=base), 0.01)
    assert (found.finding, found.judged.reason) == (finding, reason)
    assert (found.method, found.n) == ("paired", 3)


def test_a_case_of_several_rounds_has_the_accuracy_of_each():
    one, two = (
        Round(started="", duration_s=1.0, energy_j={}, total_j=1.0, metrics={"accuracy": accuracy})
        for accuracy in (0.9, 0.8)
    )
    case = Case(nodeid="a", name="a", rounds=[one, two], metrics={"accuracy": 0.8})
    assert Score.of(case) == Score(pytest.approx(0.85), rounds=(0.9, 0.8), seeds=(None, None))
    partly = msgspec.structs.replace(case, rounds=[msgspec.structs.replace(one, metrics={}), two])
    assert Score.of(partly) is None  # one round's is not that of all


def test_rounds_are_pairs_by_their_seeds():
    base = Score(0.9, rounds=(0.90, 0.95, 0.85), seeds=(0, 1, 2))
    ours = Score(0.9, rounds=(0.85, 0.90, 0.95), seeds=(2, 0, 1))
    found = against(ours, base, 0.01)
    assert (found.finding, found.estimate, found.n) == ("kept", 0, 3)
    in_part = against(Score(0.9, rounds=(0.95, 0.85), seeds=(1, 2)), base, 0.01)
    assert (in_part.finding, in_part.n, in_part.method) == ("kept", 2, "paired")
    others = against(Score(0.9, rounds=(0.85, 0.9, 0.95), seeds=(7, 8, 9)), base, 0.01)
    assert (others.finding, others.judged.reason) == ("undecided", "not comparable")
    assert (others.interval, others.n) == (None, 0)
    assert "no two pairs of rounds: their seeds or their numbers differ" in others.judged.text
    one = against(Score(0.9, rounds=(0.85, 0.95), seeds=(2, 3)), base, 0.01)
    assert (one.finding, one.n) == ("undecided", 1)
    assert against(Score(0.9, rounds=(0.9, 0.9), seeds=(0, 1)), Score(0.9), 0.01).finding == "kept"


def test_rounds_of_one_seed_beside_those_of_another_are_one_sample():
    seeds = (7,) * 5 + (8,) * 5
    base = Score(0.9, rounds=(0.9,) * 10, seeds=seeds)
    ours = Score(0.894, rounds=(0.9,) * 5 + (0.888,) * 5, seeds=seeds)
    found = against(ours, base, 0.01)
    assert (found.finding, found.n) == ("undecided", 2)
    again = against(Score(0.9, rounds=(0.9, 0.88, 0.9), seeds=(0, 0, 1)), base_of(0, 1), 0.01)
    assert (again.n, again.estimate) == (2, pytest.approx(-0.005))
    one = against(
        Score(0.9, rounds=(0.9,) * 3, seeds=(7,) * 3),
        Score(0.9, rounds=(0.9,) * 3, seeds=(7,) * 3),
        0.01,
    )
    assert (one.finding, one.n) == ("kept", 3)


def base_of(*seeds):
    """As many rounds at .9."""
    return Score(0.9, rounds=(0.9,) * len(seeds), seeds=seeds)


def test_of_rounds_that_are_pairs_in_part_the_pairs_are_shown_that_were_compared():
    """A third round of the case, at .50, has no partner."""
    base = Score(0.9, rounds=(0.88, 0.92), seeds=(0, 1))
    ours = Score(0.76, rounds=(0.88, 0.91, 0.50), seeds=(0, 1, 2))
    found = against(ours, base, 0.05)
    assert found.judged.text == (
        "accuracy 0.8950 keeps within 5 points of plain's 0.9000: \N{MINUS SIGN}0.50 points"
    )
    assert found.limit == pytest.approx(0.9 - 0.05)
    other = against(base, ours, 0.05)
    assert "accuracy 0.9000 keeps within 5 points of plain's 0.8950" in other.judged.text
    assert other.limit == pytest.approx(0.895 - 0.05)


def of_answers(right):
    done = Round(
        started="",
        duration_s=1.0,
        energy_j={},
        total_j=1.0,
        metrics={"correct": sum(right), "total": len(right)},
        answers=pack(right),
    )
    return Score.of(Case(nodeid="a", name="a", rounds=[done], metrics=done.metrics))


def test_of_one_round_the_same_images_tell_more_than_the_counts():
    base = [place % 50 != 0 for place in range(2500)]
    ours = [right and place != 7 for place, right in enumerate(base)]
    found = against(of_answers(ours), of_answers(base), 0.01)
    assert (found.finding, found.method, found.n) == ("kept", "threshold", 1)
    by_counts = difference_bounds(Score.of_counts(2449, 2500), Score.of_counts(2450, 2500))
    assert by_counts[0] < found.interval[0] < found.estimate < found.interval[1] < by_counts[1]
    assert difference_bounds(of_answers(ours[:90]), of_answers(base)) is not None


def test_the_bounds_on_the_same_images_are_mcnemars():
    z = 1.6448536269514722
    # A bound lies at no change where McNemar's statistic (b - c) / sqrt(b + c) is z: 20 of 54.
    gained, lost = 33.0, 33.0
    while (gained - lost) / math.sqrt(gained + lost) < z:
        gained += 1e-4
    low, high = mcnemar_bounds(gained, lost, 719)
    assert low == pytest.approx(0, abs=1e-6)
    assert mcnemar_bounds(lost, gained, 719) == pytest.approx((-high, -low), abs=1e-9)
    # Nothing differs: 1 - (1 + z^2 / n)^-1, as Tango's limits are in closed form there.
    assert mcnemar_bounds(0, 0, 719)[1] == pytest.approx(z * z / (719 + z * z))
    assert mcnemar_bounds(5, 0, 5)[1] == 1


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
def test_an_accuracy_that_is_none_is_not_measured(score):
    for judged in (
        against(score, Score(0.9), 0.01),
        against(Score(0.9), score, 0.01),
        judge_accuracy_floor(score, 0.9),
    ):
        assert (judged.finding, judged.judged.reason) == ("undecided", "not measured")
        assert not passes(judged)


def test_what_is_held_against_a_stated_accuracy_rests_on_all_of_its_rounds():
    score = Score(0.9, rounds=(0.88, 0.9, 0.92), seeds=(0, 1, 2))
    assert judge_accuracy_floor(score, 0.95).n == 3
    assert judge_accuracy(score, Score(0.95), 0.01, against="budget").n == 3
    assert judge_accuracy(score, Score(0.95), 0.01, name="plain").n == 1
    assert judge_accuracy_floor(Score(0.9), 0.95).n == 1


def test_a_minimum_is_reached_or_not():
    assert judge_accuracy_floor(Score(0.9), 0.9).finding == "kept"
    below = judge_accuracy_floor(Score(0.85), 0.9, source="budgets.toml")
    assert (below.finding, below.judged.reason) == ("lost", "accuracy lost")
    assert failure_message(below) == (
        "accuracy 0.8500 is below the minimum of 0.9000 (budgets.toml): −5.00 points"
    )


@pytest.mark.parametrize(("correct", "total"), [(0, 0), (-1, 5), (6, 5)])
def test_counts_that_cannot_be_are_refused(correct, total):
    with pytest.raises(ValueError, match=f"{correct} of {total}"):
        Score.of_counts(correct, total)
