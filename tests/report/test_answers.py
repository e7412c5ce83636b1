"""What a comparison says: the figures that were compared, and what follows from them."""

import re

import pytest
from msgspec.structs import replace

from pytest_energybench.gates.accuracy import Score, judge_accuracy
from pytest_energybench.gates.comparisons import judge_change
from pytest_energybench.gates.figures import Figures
from pytest_energybench.report import answers
from pytest_energybench.results.model import Case, Comparison


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


def test_a_budget_is_shown_as_figure_of_limit():
    budget = Comparison(reference="budget", finding="higher", limit=50.0, estimate=0.05)
    assert answers.compared(CASE, budget) == "52.5 J of 50.0 J"
    assert answers.allowed(budget) == ""
