"""A comparison as people read it when a gate fails."""

import pytest

from pytest_energybench.gates.energy import judge_baseline, judge_budget
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.message import certainty, failure_message, passes
from pytest_energybench.results.model import Comparison, Verdict

ESTIMATED = {"cpu": "estimated", "ram": "estimated"}


def figures(*rounds, nodeid="tests/x.py::test_y[plain]"):
    return Figures(sorted(rounds)[len(rounds) // 2], rounds, ESTIMATED, nodeid)


def test_the_failure_message_has_both_figures_limit_provenance_and_the_baselines_name():
    failed = judge_baseline(figures(41_200.0), figures(38_000.0))
    assert not passes(failed)
    assert failure_message(failed).splitlines() == [
        "energy 41.2 kJ (estimated) is above the baseline's 38.0 kJ (estimated) "
        "+0 % margin: +8.4 %",
        "baseline: tests/x.py::test_y[plain]",
        "one round: a threshold, no interval",
    ]


def test_the_failure_message_of_several_rounds_tells_interval_method_and_n():
    failed = judge_baseline(figures(11.0, 11.1, 11.2), figures(10.0, 10.1, 10.0))
    last = failure_message(failed).splitlines()[-1]
    assert last.startswith("one-sided 95 % bounds +")
    assert last.endswith("(paired, n = 3)")


def test_a_message_stays_at_three_lines_whatever_the_name_of_a_case_holds():
    failed = judge_baseline(figures(2.0), figures(1.0, nodeid="test_x[a\nb\r\nc]"))
    assert len(failure_message(failed).splitlines()) == 3


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("improved", True),
        ("within", True),
        ("inconclusive", False),
        ("regressed", False),
        ("error", False),
    ],
)
def test_an_assertion_holds_only_where_it_was_shown_to(kind, holds):
    assert passes(Comparison(origin="budget", verdict=Verdict(kind=kind, reason=""))) is holds


def test_where_there_is_no_interval_to_tell_there_is_no_line_for_it():
    assert certainty(judge_budget(2.0, 1.0)) == ""
    assert certainty(judge_baseline(Figures(None), figures(1.0))) == ""
    assert certainty(judge_baseline(figures(2.0), figures(1.0))) != ""
