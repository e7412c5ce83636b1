"""Energy against a budget and against another case."""

import math

import pytest

from pytest_energybench.gates.energy import judge_baseline, judge_budget, judge_duration
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.message import failure_message, passes

ESTIMATED = {"cpu": "estimated", "ram": "estimated"}
MEASURED = {"cpu:0": "measured", "dram:0": "measured"}


def figures(*rounds, provenance=ESTIMATED, nodeid="tests/x.py::test_y[plain]"):
    middle = sorted(rounds)[len(rounds) // 2] if None not in rounds else None
    return Figures(middle, rounds, provenance, nodeid)


def test_a_budget_holds_at_its_limit_and_breaks_above_it():
    assert judge_budget(144_000.0, 144_000.0).verdict.kind == "within"
    assert judge_budget(0.1 + 0.2, 0.3).verdict.kind == "within"
    broken = judge_budget(150_000.0, 144_000.0, provenance=ESTIMATED, source="budgets.toml")
    assert broken.verdict.kind == "regressed"
    assert broken.verdict.delta == pytest.approx(150 / 144 - 1)
    assert broken.limit == 144_000.0
    assert failure_message(broken) == (
        "energy 150 kJ (estimated) is above the budget of 144 kJ (budgets.toml): +4.2 %"
    )


@pytest.mark.parametrize("total", [None, math.nan, math.inf, -1.0])
def test_a_total_that_is_not_known_is_an_error_and_never_passes(total):
    budget = judge_budget(total, 10.0)
    assert budget.verdict.kind == "error"
    assert not passes(budget)
    assert judge_baseline(figures(5.0), Figures(total)).verdict.kind == "error"
    assert judge_baseline(Figures(total), figures(5.0)).verdict.kind == "error"


def test_a_round_that_lost_a_domain_makes_the_comparison_an_error():
    assert judge_baseline(figures(1.0, None, 1.0), figures(2.0, 2.0, 2.0)).verdict.kind == "error"


def test_a_budget_of_zero_has_no_relative_change():
    assert judge_budget(1.0, 0.0).verdict.delta is None
    assert judge_budget(1.0, 0.0).verdict.kind == "regressed"
    assert judge_budget(0.0, 0.0).verdict.kind == "within"


def test_a_duration_is_judged_in_seconds():
    slow = judge_duration(61.0, 60.0)
    assert (slow.quantity, slow.verdict.kind, slow.limit) == ("duration", "regressed", 60.0)
    assert "duration 1.02 min is above the budget of 1.00 min" in slow.verdict.reason
    assert judge_duration(60.0, 60.0).verdict.kind == "within"


@pytest.mark.parametrize(
    ("joules", "margin", "kind"),
    [
        (30.0, 0.0, "improved"),
        (38.0, 0.0, "within"),
        (38.1, 0.0, "regressed"),
        (39.9, 0.05, "within"),
        (38.0 * 1.05, 0.05, "within"),
        (40.0, 0.05, "regressed"),
    ],
)
def test_one_round_is_held_against_a_threshold(joules, margin, kind):
    verdict = judge_baseline(figures(joules), figures(38.0), margin=margin).verdict
    assert (verdict.kind, verdict.method, verdict.n) == (kind, "threshold", 1)
    assert verdict.interval is None
    assert verdict.delta == pytest.approx(joules / 38.0 - 1)


def test_interleaved_rounds_are_paired_so_that_a_shared_drift_cancels():
    drift = [1.0, 1.3, 1.7, 2.2, 2.9]
    baseline = figures(*(100 * d for d in drift))
    candidate = figures(*(105 * d * e for d, e in zip(drift, [1, 1.01, 0.99, 1, 1], strict=True)))
    together = judge_baseline(candidate, baseline).verdict
    apart = judge_baseline(candidate, baseline, interleaved=False).verdict
    assert (together.kind, together.method) == ("regressed", "paired")
    assert (apart.kind, apart.method) == ("inconclusive", "welch")
    assert together.interval[0] < together.delta < together.interval[1]


def test_unlike_numbers_of_rounds_are_compared_by_welch_and_one_round_by_threshold():
    assert judge_baseline(figures(1.0, 1.1), figures(1.0, 1.1, 1.2)).verdict.method == "welch"
    assert judge_baseline(figures(1.0), figures(1.0, 1.1, 1.2)).verdict.method == "threshold"


def test_identical_rounds_are_judged_on_their_difference_alone():
    assert judge_baseline(figures(5.0, 5.0), figures(5.0, 5.0)).verdict.kind == "within"
    assert judge_baseline(figures(6.0, 6.0), figures(5.0, 5.0)).verdict.kind == "regressed"
    assert judge_baseline(figures(4.0, 4.0), figures(5.0, 5.0)).verdict.kind == "improved"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [((0.0,), (1.0,)), ((1.0,), (0.0,)), ((0.0, 1.0), (1.0, 1.0)), ((0.0,), (0.0,))],
)
def test_a_round_of_zero_joules_says_nothing(ours, theirs):
    verdict = judge_baseline(figures(*ours), figures(*theirs)).verdict
    assert verdict.kind == "inconclusive"
    assert "below what the meter resolves" in verdict.reason


def test_figures_far_apart_stay_finite():
    verdict = judge_baseline(figures(1e300, 1e-300), figures(1e-300, 1e300)).verdict
    assert all(math.isfinite(bound) for bound in verdict.interval)
    assert judge_baseline(figures(1e300), figures(1e-300)).verdict.kind == "regressed"


def test_an_estimate_is_not_judged_against_a_measured_figure_unless_told():
    ours, theirs = figures(1.0), figures(2.0, provenance=MEASURED)
    refused = judge_baseline(ours, theirs)
    assert refused.verdict.kind == "inconclusive"
    assert refused.verdict.reason.startswith("not comparable: cpu is estimated here and measured")
    assert not passes(refused)
    assert judge_baseline(ours, theirs, allow_mismatch=True).verdict.kind == "improved"


def test_the_number_of_the_gpu_does_not_make_figures_unlike_but_a_missing_gpu_does():
    first = figures(1.0, provenance={"gpu:0": "measured"})
    second = figures(2.0, provenance={"node-b/gpu:3": "measured"})
    assert judge_baseline(first, second).verdict.kind == "improved"
    without = judge_baseline(figures(1.0, provenance={"cpu": "estimated"}), second)
    assert "gpu is not metered here and measured there" in without.verdict.reason


def test_a_regression_must_exceed_the_margin_and_the_floor():
    assert judge_baseline(figures(11.0), figures(10.0), floor_j=2.0).verdict.kind == "within"
    assert judge_baseline(figures(12.5), figures(10.0), floor_j=2.0).verdict.kind == "regressed"
    small = judge_baseline(figures(12.5), figures(10.0), margin=0.05, floor_j=2.0)
    assert "+5 % margin or +2.00 J" in small.verdict.reason
    large = judge_baseline(figures(104.0), figures(100.0), margin=0.05, floor_j=2.0)
    assert large.verdict.kind == "within"


def test_a_stored_comparison_says_so():
    judged = judge_baseline(figures(2.0), figures(1.0), origin="stored")
    assert judged.origin == "stored"
    assert "the stored run's 1.00 J" in judged.verdict.reason
    assert "stored: tests/x.py::test_y[plain]" in failure_message(judged)
