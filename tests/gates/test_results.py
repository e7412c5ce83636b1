"""A comparison as people read it when a gate fails."""

import pytest

from pytest_energybench.gates.comparisons import judge_budget, judge_change
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.results import certainty, condoned, failure_message, passes
from pytest_energybench.results.model import Comparison, Result

ESTIMATED = {"cpu": "estimated", "ram": "estimated"}


def figures(*rounds, nodeid="tests/x.py::test_y[plain]"):
    return Figures(sorted(rounds)[len(rounds) // 2], rounds, ESTIMATED, nodeid)


def test_the_failure_message_has_both_figures_limit_provenance_and_the_reference():
    failed = judge_change(figures(41_200.0), figures(38_000.0), name="plain")
    assert not passes(failed)
    assert failure_message(failed).splitlines() == [
        "energy 41.2 kJ (estimated) is above plain's 38.0 kJ (estimated) +0 % margin: +8.4 %",
        "reference: tests/x.py::test_y[plain]",
        "one round: a threshold, no interval",
    ]


def test_the_failure_message_of_several_rounds_tells_interval_method_and_n():
    failed = judge_change(figures(11.0, 11.1, 11.2), figures(10.0, 10.1, 10.0), name="plain")
    last = failure_message(failed).splitlines()[-1]
    assert last.startswith("one-sided 95 % bounds +")
    assert last.endswith("(paired, n = 3)")


def test_a_message_stays_at_three_lines_whatever_the_name_of_a_case_holds():
    failed = judge_change(figures(2.0), figures(1.0, nodeid="test_x[a\nb\r\nc]"), name="plain")
    assert len(failure_message(failed).splitlines()) == 3


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("pass", True),
        ("unknown", False),
        ("fail", False),
        ("of a later version", False),
    ],
)
def test_an_assertion_holds_only_where_it_was_shown_to(kind, holds):
    judged = Result(kind=kind)
    assert passes(Comparison(reference="budget", finding="unclear", judged=judged)) is holds


def test_a_comparison_that_nothing_asked_for_fails_nothing():
    assert passes(Comparison(reference="group", finding="more"))


def test_a_failure_that_the_test_caught_passes_and_keeps_its_reason():
    broken = judge_budget(2.0, 1.0)
    caught = condoned(broken)
    assert (caught.judged.kind, caught.judged.reason) == ("pass", "over budget")
    assert condoned(caught) == caught


def test_where_there_is_no_interval_to_tell_there_is_no_line_for_it():
    assert certainty(judge_budget(2.0, 1.0)) == ""
    assert certainty(judge_change(Figures(None), figures(1.0), name="plain")) == ""
    assert certainty(judge_change(figures(2.0), figures(1.0), name="plain")) != ""
