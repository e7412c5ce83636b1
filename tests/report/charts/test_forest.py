"""Energy against a reference."""

import math

import msgspec
import pytest

from pytest_energybench.report.build import run_view
from pytest_energybench.report.charts.forest import MOST_ROWS, forests
from pytest_energybench.results.model import Case, Comparison, Result, Run
from tests.report.samples import MACHINE


def plots(run):
    return forests(run_view(run).cases)


def judged(estimate, *, reference="stored", finding="same", **fields):
    made = {"reference": reference, "finding": finding, "judged": Result(kind="pass")} | fields
    comparison = Comparison(estimate=estimate, **made)
    return Case(nodeid=f"t{estimate}", name="", total_j=100.0, comparisons=[comparison])


def one(case):
    return plots(Run(machine=MACHINE, cases=[case]))[0].rows[0]


def test_a_plot_for_each_kind_of_reference(ci):
    stored, budget = plots(ci)
    assert [stored.key, budget.key] == ["forest-stored", "forest-budget"]
    assert stored.finding == (
        "7 cases compared with the stored run, 2 of the run's 9 not: 3 same, 2 less, 1 more and "
        "1 unclear; lowest is test_thumbnail at −31.0 %, highest test_encode[jpeg] at +12.0 %."
    )


def test_a_group_opens_with_what_its_cases_share(paper):
    rows = plots(paper)[0].rows
    assert rows[0].opens == "alexnet · bench_cases/test_paper.py::test_paper[alexnet-…]"
    assert [bool(row.opens) for row in rows[:4]] == [True, False, False, True]


def test_less_energy_lies_left_of_the_reference(ci):
    stored = plots(ci)[0]
    for row in stored.rows:
        delta = row.case.changes["stored"].value
        assert (row.x < stored.zero) == (delta < 0)
        assert row.low <= row.x <= row.high


def test_what_is_allowed_is_drawn_relative_to_the_reference_it_was_judged_against():
    plot = plots(Run(machine=MACHINE, cases=[judged(0.1, margin=0.05, limit=105.0)]))[0]
    row = plot.rows[0]
    share = (row.limit - plot.zero) / (row.x - plot.zero)
    assert share == pytest.approx(math.log(1.05) / math.log(1.1), abs=0.02)


def test_a_budget_draws_no_line_where_another_reference_is_drawn():
    case = judged(0.1, margin=0.2)
    budget = Comparison(reference="budget", finding="lower", limit=115.0, estimate=-0.1)
    both = msgspec.structs.replace(case, comparisons=[*case.comparisons, budget])
    stored = plots(Run(machine=MACHINE, cases=[case, both]))[0]
    assert stored.rows[0].limit == stored.rows[1].limit


def test_what_nobody_asked_for_has_no_limit():
    assert one(judged(0.1, margin=0.05, judged=None)).limit is None


def test_a_single_case_is_named_in_the_finding():
    finding = plots(Run(machine=MACHINE, cases=[judged(-0.5)]))[0].finding
    assert finding == "1 case compared with the stored run: 1 same, t-0.5 at −50.0 %."


def test_a_limit_that_is_the_reference_is_not_drawn_twice():
    assert one(judged(-0.4, margin=0.0)).limit is None


def test_a_budget_is_its_own_reference():
    row = one(judged(-0.5, reference="budget", margin=0.1, limit=200.0))
    assert (row.delta, row.limit) == ("−50.0 %", None)


def test_a_case_with_two_rules_is_one_case(ci):
    case = ci.cases[6]
    twice = msgspec.structs.replace(case, comparisons=[*case.comparisons, case.comparisons[-1]])
    (*_, budget) = plots(msgspec.structs.replace(ci, cases=[*ci.cases[:6], twice, *ci.cases[7:]]))
    assert budget.finding.startswith(
        "2 comparisons of 1 case compared with the budget, 8 of the run's 9 not: 2 lower"
    )


def test_a_change_beyond_the_axis_points_out_of_it():
    assert one(judged(80.0)).beyond == "right"
    assert one(judged(-0.5)).beyond == ""


def test_an_interval_without_end_is_left_out():
    assert one(judged(0.0, interval=(-math.inf, 0.1))).low is None


def test_many_cases_show_the_worst(big):
    plot = plots(big)[0]
    assert len(plot.rows) == MOST_ROWS
    assert {row.finding for row in plot.rows} == {"more"}
    assert plot.left_out == 2000 - MOST_ROWS


def test_time_ratios_are_called_so(paper, ci):
    assert plots(paper)[0].time_ratio
    assert not plots(ci)[0].time_ratio


@pytest.mark.parametrize(
    ("provenance", "delta"),
    [
        ({"cpu": "estimated", "ram": "estimated"}, "−32.8 %"),  # the head says it for all
        ({"cpu:0": "measured", "ram": "estimated"}, "−32.8 % est."),
        ({"gpu:0": "estimated"}, "−32.8 % est."),
        ({"cpu:0": "measured"}, "−32.8 %"),
    ],
)
def test_a_change_of_an_estimate_is_marked_once_and_not_by_a_second_sign(provenance, delta):
    case = msgspec.structs.replace(judged(-0.328), provenance=provenance)
    (plot,) = plots(Run(machine=MACHINE, cases=[case]))
    assert [row.delta for row in plot.rows] == [delta]
    assert plot.time_ratio == ("cpu" in provenance)
    assert plot.finding.endswith(f" at {delta.removesuffix('.')}.")


def test_beside_a_time_ratio_what_is_none_is_not_called_so():
    cases = [
        msgspec.structs.replace(judged(change), provenance=provenance)
        for change, provenance in ((-0.5, {"cpu": "estimated"}), (-0.1, {"cpu:0": "measured"}))
    ]
    (plot,) = plots(Run(machine=MACHINE, cases=cases))
    assert not plot.time_ratio
    assert [row.delta for row in plot.rows] == ["−50.0 % est.", "−10.0 %"]


def test_two_functions_of_one_test_have_a_plot_of_their_own():
    both = [
        judged(-0.5, reference="group", name="the baseline", finding="less"),
        judged(-0.1, reference="group", name="plain", nodeid="a", finding="less"),
    ]
    group, pair = plots(Run(machine=MACHINE, cases=both))
    assert (group.key, pair.key) == ("forest-group", "forest-pair")
    assert pair.heading == "Against the other function of the test"
    assert pair.finding.startswith("1 case compared with the other function of the test, 1 of")
    assert len(group.rows) == len(pair.rows) == 1
