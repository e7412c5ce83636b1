"""What a comparison says: the figures that were compared, and what follows from them."""

import re

import pytest
from msgspec.structs import replace

from pytest_energybench.gates.accuracy import Score, judge_accuracy, judge_accuracy_floor
from pytest_energybench.gates.comparisons import judge_budget, judge_change, judge_duration
from pytest_energybench.gates.figures import Figures
from pytest_energybench.report import answers
from pytest_energybench.results.model import Case


def made(ours, theirs, margin=0.03):
    measured = {"cpu:0": "measured"}
    sides = [Figures(None, tuple(each), measured) for each in (ours, theirs)]
    return judge_change(*sides, name="main", against="stored", margin=margin, interleaved=False)


CASE = Case(nodeid="a", name="a", provenance={"cpu:0": "measured"})


def test_the_two_figures_shown_have_the_ratio_that_was_judged():
    """Medians would say less here (63.7 J against 63.9 J), the geometric means say more."""
    ours, theirs = (63.0, 63.7, 70.0), (40.0, 63.9, 64.0)
    comparison = made(ours, theirs)
    assert comparison.estimate > 0.1
    before, after = (
        float(part.removesuffix(" J")) for part in answers.compared(CASE, comparison).split(" → ")
    )
    assert after / before - 1 == pytest.approx(comparison.estimate, abs=0.005)


def test_a_factor_is_told_where_the_bounds_show_it_and_only_there():
    assert answers.times(made((60.0, 60.1, 59.9), (102.0, 101.9, 102.1))) == (
        "1.7 times less than main"
    )
    assert answers.times(made((150.0, 151.0, 149.0), (100.0, 101.0, 99.0))).endswith(
        "times as much as main"
    )
    assert answers.times(made((60.0,), (102.0,))) == ""
    assert answers.times(made((100.0, 140.0), (90.0, 140.0))) == ""


def test_rounds_that_would_tell_are_told_where_noise_left_it_open():
    open_ = made((104.0, 109.0, 115.0, 106.0), (99.0, 104.0, 97.0, 101.0))
    assert open_.finding == "unclear"
    assert re.fullmatch(r"about \d+ rounds of both runs would tell", answers.telling(open_))
    in_the_same_run = replace(open_, reference="group")
    assert re.fullmatch(r"about \d+ rounds would tell", answers.telling(in_the_same_run))
    assert answers.telling(made((60.0, 60.1), (102.0, 101.9))) == ""


def test_accuracies_are_shown_of_the_rounds_that_were_compared():
    """A third round of the case, at .50, has no partner."""
    base = Score(0.9, rounds=(0.88, 0.92), seeds=(0, 1))
    ours = Score(0.76, rounds=(0.88, 0.91, 0.50), seeds=(0, 1, 2))
    comparison = judge_accuracy(ours, base, 0.05, name="plain")
    case = replace(CASE, metrics={"accuracy": 0.76})
    assert answers.compared(case, comparison) == "0.900 → 0.895"


def test_an_accuracy_that_is_undecided_has_the_bounds_that_leave_it_open():
    base = Score(0.935, rounds=(0.92, 0.95), seeds=(0, 1))
    ours = Score(0.944, rounds=(0.95, 0.938), seeds=(0, 1))
    rule = judge_accuracy(ours, base, 0.01, name="plain", nodeid="b")
    assert rule.finding == "undecided"
    told = answers.in_line(replace(CASE, metrics={"accuracy": 0.944}), rule)
    assert told == "0.935 → 0.944  +0.90 points [−12.36, +14.16]"


@pytest.mark.parametrize(
    ("limit", "of", "in_line"),
    [
        (judge_budget(52.5, 50.0), "52.5 J of 50.0 J", "52.5 J > 50.0 J  +5.0 %"),
        (judge_duration(2.0, 4.0), "2.00 s of 4.00 s", "2.00 s ≤ 4.00 s  −50.0 %"),
        (
            judge_accuracy_floor(Score(0.94), 0.95, source="b.toml, *"),
            "0.940 of at least 0.950",
            "0.940 < 0.950  −1.00 points  b.toml, *",
        ),
        (
            judge_accuracy_floor(Score(0.9496), 0.95),
            "0.9496 of at least 0.9500",
            "0.9496 < 0.9500  −0.04 points",
        ),
        (
            judge_accuracy_floor(Score(0.949_999), 0.95),
            "0.949999 of at least 0.950000",
            "0.949999 < 0.950000  −0.0001 points",
        ),
        (
            judge_accuracy_floor(Score(0.95), 0.95),
            "0.950 of at least 0.950",
            "0.950 ≥ 0.950  0.00 points",
        ),
    ],
    ids=[
        "energy",
        "duration",
        "accuracy",
        "accuracy, by a hair",
        "by an image of a million",
        "accuracy, at the limit",
    ],
)
def test_a_limit_is_no_figure_that_something_changed_from(limit, of, in_line):
    case = replace(CASE, metrics={"accuracy": (limit.limit or 0) + (limit.estimate or 0)})
    assert answers.compared(case, limit) == of
    assert answers.in_line(case, limit) == in_line
    assert answers.allowed(limit) == ""
    assert answers.whose(limit) == ""


@pytest.mark.parametrize(
    ("rule", "whose"),
    [
        (
            judge_accuracy(Score(0.9), Score(0.95), 0.01, name="plain", nodeid="b"),
            "against the group's plain, a drop of 1 point allowed",
        ),
        (
            judge_accuracy(Score(0.9), Score(0.95), 0.01, against="budget"),
            "against the stated accuracy, a drop of 1 point allowed",
        ),
        (
            replace(made((104.0, 116.0), (99.0, 104.0)), reference="group", nodeid="b"),
            "against the group's main",
        ),
        (made((104.0, 116.0), (99.0, 104.0)), ""),
        (replace(made((204.0, 206.0), (99.0, 104.0)), reference="group", nodeid="b"), ""),
    ],
    ids=["accuracy of its group", "stated accuracy", "too noisy", "stored run", "reason names it"],
)
def test_what_no_reason_names_says_what_it_was_held_against(rule, whose):
    """Beside a stored run, which the head names, a reader would take it for that one."""
    assert answers.whose(rule) == whose
