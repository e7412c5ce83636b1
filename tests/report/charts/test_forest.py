"""Energy against a reference."""

import math

import msgspec
import pytest

from pytest_energybench.report.build import run_view
from pytest_energybench.report.charts.forest import MOST_ROWS, forests
from pytest_energybench.results.model import Case, Comparison, Run, Verdict
from tests.report.samples import MACHINE


def plots(run):
    return forests(run_view(run).cases)


def judged(delta, *, origin="stored", interval=None, limit=None, margin=None, total=100.0):
    verdict = Verdict(kind="within", reason="", delta=delta, interval=interval)
    comparison = Comparison(origin=origin, limit=limit, margin=margin, verdict=verdict)
    return Case(nodeid=f"t{delta}", name="", total_j=total, comparisons=[comparison])


def one(case):
    return plots(Run(machine=MACHINE, cases=[case]))[0].rows[0]


def test_a_plot_for_each_kind_of_reference(ci):
    stored, budget = plots(ci)
    assert [stored.key, budget.key] == ["forest-stored", "forest-budget"]
    assert stored.finding == (
        "3 of 7 cases used less energy than their stored baseline; lowest is test_thumbnail at "
        "−31.0 %, highest test_encode[jpeg] at +12.0 %."
    )


def test_less_energy_lies_left_of_the_reference(ci):
    stored = plots(ci)[0]
    for row in stored.rows:
        delta = row.case.delta.value
        assert (row.x < stored.zero) == (delta < 0)
        assert row.low <= row.x <= row.high


def test_what_is_allowed_is_drawn_relative_to_the_reference():
    # 110 J are 10 % above the reference, so a limit of 105 J is 5 % above it.
    plot = plots(Run(machine=MACHINE, cases=[judged(0.1, limit=105.0, total=110.0)]))[0]
    row = plot.rows[0]
    share = (row.limit - plot.zero) / (row.x - plot.zero)
    assert share == pytest.approx(math.log(1.05) / math.log(1.1), abs=0.02)


def test_a_stated_margin_goes_before_the_limit_and_the_stricter_budget_before_both():
    case = judged(0.1, limit=100.0, margin=0.2, total=110.0)
    wide = one(case).limit
    budget = Comparison(origin="budget", limit=115.0, verdict=Verdict(kind="within", reason=""))
    strict = msgspec.structs.replace(case, comparisons=[*case.comparisons, budget])
    plot = plots(Run(machine=MACHINE, cases=[case, strict]))[0]
    loose, tight = (row.limit for row in plot.rows)
    assert wide is not None
    assert plot.zero < plot.rows[0].x < tight < loose


def test_a_single_case_is_named_in_the_finding():
    finding = plots(Run(machine=MACHINE, cases=[judged(-0.5)]))[0].finding
    assert finding == "t-0.5 at −50.0 % against the stored baseline."


def test_a_limit_that_is_the_reference_is_not_drawn_twice():
    assert one(judged(-0.4, limit=100.0, total=60.0)).limit is None


def test_a_budget_is_its_own_reference():
    row = one(judged(None, origin="budget", limit=200.0))
    assert row.delta == "−50.0 %"


def test_a_change_beyond_the_axis_points_out_of_it():
    assert one(judged(80.0)).beyond == "right"
    assert one(judged(-0.5)).beyond == ""


def test_an_interval_without_end_is_left_out():
    assert one(judged(0.0, interval=(-math.inf, 0.1))).low is None


def test_many_cases_show_the_worst(big):
    plot = plots(big)[0]
    assert len(plot.rows) == MOST_ROWS
    assert {row.kind for row in plot.rows} == {"regressed"}
    assert plot.left_out == 2000 - MOST_ROWS


def test_time_ratios_are_called_so(paper, ci):
    assert plots(paper)[0].time_ratio
    assert not plots(ci)[0].time_ratio
