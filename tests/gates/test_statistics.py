"""The statistics: exact where there is a reference, calibrated where chance decides."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_energybench.gates.statistics import (
    CONFIDENCE,
    bounds_among,
    decide,
    holm,
    paired,
    relative,
    rounds_to_tell,
    student_t_quantile,
    student_t_tail,
    welch,
)


def found_in(estimate, margin):
    """What an estimate's plain bounds show."""
    return decide(*map(relative, estimate.bounds), margin)


def stand(chances):
    """Which of many p-values stand."""
    return [chance <= risk for chance, risk in zip(chances, holm(chances), strict=True)]


PROBABILITIES = (0.005, 0.05, 0.2, 0.6, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9999)


def test_the_quantile_is_that_of_scipy():
    for df in (*range(1, 31), 60, 200, 1000, 1.03, 2.5, 7.9):
        ours = [student_t_quantile(p, df) for p in PROBABILITIES]
        assert ours == pytest.approx(stats.t.ppf(PROBABILITIES, df), rel=1e-8), df


@pytest.mark.parametrize("df", [1, 1.5, 4, 30, 500])
def test_the_tail_is_that_of_scipy_also_far_out(df):
    for t in (-50.0, -1.0, -1e-9, 0.0, 1e-9, 0.3, 2.0, 10.0, 1e6):
        assert student_t_tail(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-9)


def test_the_median_is_zero_and_what_is_no_probability_is_refused():
    assert student_t_quantile(0.5, 3) == pytest.approx(0, abs=1e-15)
    for p in (0.0, 1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="probability"):
            student_t_quantile(p, 3)
    with pytest.raises(ValueError, match="degrees of freedom"):
        student_t_tail(1.0, 0)


def test_the_paired_test_is_that_of_scipy_on_log_ratios():
    ours, theirs = [10.0, 11.5, 9.8, 10.9], [9.0, 10.0, 9.9, 10.1]
    found = paired(ours, theirs)
    reference = stats.ttest_rel(np.log(ours), np.log(theirs), alternative="greater")
    assert found.chance_above(0.0) == pytest.approx(reference.pvalue, rel=1e-9)
    assert found.bounds[0] == pytest.approx(reference.confidence_interval(0.95).low, rel=1e-9)
    assert (found.n, found.df, found.method) == (4, 3, "paired")


def test_welchs_test_is_that_of_scipy_on_logs():
    ours, theirs = [10.0, 11.5, 9.8, 10.9, 10.0], [9.0, 10.0, 9.9]
    found = welch(ours, theirs)
    reference = stats.ttest_ind(
        np.log(ours), np.log(theirs), equal_var=False, alternative="greater"
    )
    assert found.chance_above(0.0) == pytest.approx(reference.pvalue, rel=1e-9)
    assert found.bounds[0] == pytest.approx(reference.confidence_interval(0.95).low, rel=1e-9)
    assert found.df == pytest.approx(reference.df)
    assert (found.n, found.method) == (3, "welch")


def test_identical_rounds_have_no_error_and_nothing_divides_by_zero():
    for test, n in itertools.product((paired, welch), (2, 3, 7)):
        same, more = test([0.1] * n, [0.1] * n), test([0.2] * n, [0.1] * n)
        assert same.bounds == (0.0, 0.0)
        assert found_in(same, 0.0) == "same"
        assert found_in(more, 0.0) == "more"
        assert (same.chance_above(0.0), more.chance_above(0.0)) == (1.0, 0.0)
        assert (same.chance_below(0.0), more.chance_below(1.0)) == (1.0, 0.0)
        assert same.df == (n - 1 if test is paired else 2 * n - 2)


def test_too_few_rounds_are_refused():
    for test in (paired, welch):
        with pytest.raises(ValueError, match="two or more rounds"):
            test([1.0], [1.0])
    for few, many in (([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0])):
        with pytest.raises(ValueError, match="two or more rounds of each"):
            welch(few, many)
    with pytest.raises(ValueError, match="as many of each"):
        paired([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("change", "spread", "margin", "kind"),
    [
        (-0.10, 0.01, 0.0, "less"),
        (-0.10, 0.30, 0.0, "unclear"),
        (0.00, 0.01, 0.05, "same"),
        (0.02, 0.01, 0.05, "same"),
        (0.05, 0.01, 0.05, "unclear"),
        (0.10, 0.01, 0.05, "more"),
        (0.10, 0.01, 0.0, "more"),
        (0.10, 0.30, 0.0, "unclear"),
    ],
)
def test_the_four_way_decision(change, spread, margin, kind):
    reference = [100.0] * 4
    candidate = [100 * (1 + change) * math.exp(spread * sign) for sign in (1, -1, 0.5, -0.5)]
    assert found_in(paired(candidate, reference), margin) == kind


@given(
    st.lists(st.tuples(st.floats(1e-3, 1e9), st.floats(1e-3, 1e9)), min_size=2, max_size=8),
    st.floats(0, 1),
)
def test_bounds_chances_and_decision_always_agree(pairs, margin):
    ours, theirs = zip(*pairs, strict=True)
    for found in (paired(ours, theirs), welch(ours, theirs)):
        lower, upper = found.bounds
        assert lower <= found.log_ratio <= upper
        chance = found.chance_above(math.log1p(margin))
        if abs(chance - 0.05) > 1e-9:
            assert (found_in(found, margin) == "more") == (chance < 0.05)


def test_the_noise_floor_is_the_change_from_which_on_rounds_tell_one():
    ours, theirs = [100.0, 101.5, 99.0], [100.5, 100.0, 99.8]
    found = paired(ours, theirs)
    level = [joules / math.exp(found.log_ratio) for joules in ours]
    for factor, kind in ((0.99, "unclear"), (1.01, "more")):
        raised = [joules * (1 + factor * found.noise_floor) for joules in level]
        assert found_in(paired(raised, theirs), 0.0) == kind


def test_a_change_is_relative_and_finite():
    assert relative(math.log(1.02)) == pytest.approx(0.02)
    assert relative(0.0) == 0.0
    assert math.isfinite(relative(5000.0))


def test_holm_steps_down():
    assert stand([]) == []
    assert stand([0.04]) == [True]
    assert stand([0.01, 0.04, 0.03]) == [True, False, False]  # .01<.05/3, .03>.05/2
    assert stand([0.01, 0.04, 0.02]) == [True, True, True]  # .01<.05/3, .02<.05/2, .04<.05
    assert stand([0.9, 0.001]) == [False, True]


@given(
    st.lists(st.lists(st.floats(90, 110), min_size=3, max_size=3), min_size=1, max_size=6),
    st.sampled_from([0.0, 0.03]),
)
def test_the_bounds_among_many_say_what_holm_says(samples, margin):
    estimates = [welch(each, [99.0, 100.0, 101.0]) for each in samples]
    limit = math.log1p(margin)
    above = stand([each.chance_above(limit) for each in estimates])
    below = stand([each.chance_below(0.0) for each in estimates])
    for bounds, is_above, is_below in zip(
        bounds_among(estimates, [margin] * len(estimates)), above, below, strict=True
    ):
        assert (decide(*bounds, margin) == "more") == is_above
        assert (decide(*bounds, margin) == "less") == is_below


def test_one_case_alone_has_its_plain_bounds():
    found = welch([104.0, 105.0, 106.0], [99.0, 100.0, 101.0])
    assert bounds_among([found], [0.0]) == [pytest.approx(tuple(map(relative, found.bounds)))]


def test_many_unchanged_cases_are_the_same_though_each_bound_is_held_to_less():
    ours = [[100.0 + shift, 101.0, 99.5] for shift in (0.0, 0.1, 0.2, 0.3, 0.4)]
    estimates = [welch(each, [100.0, 101.0, 99.5]) for each in ours]
    found = bounds_among(estimates, [0.05] * 5)
    assert [decide(*bounds, 0.05) for bounds in found] == ["same"] * 5


# ------------------------------------------------------------------------------------------------
# Simulations. A rate that is exactly the promised 5 % comes out above 5 % in half of all
# simulations, so each is held against the 99.9 % quantile of its own count.


def at_most(rate, trials):
    """The largest count that `rate` still explains."""
    return stats.binom.ppf(0.999, trials, rate)


def rounds(rng, trials, n, cv, change=0.0):
    """Joules of n rounds, many times over, with a coefficient of variation."""
    sigma = math.sqrt(math.log1p(cv * cv))
    return (100 * (1 + change) * np.exp(rng.normal(0, sigma, (trials, n)))).tolist()


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("test", [paired, welch])
def test_without_a_change_at_most_one_finding_in_twenty_is_more(test, n):
    """Whatever the noise: where nothing has changed, both tests are the same at any scale."""
    trials = 1500
    rng = np.random.default_rng(n)
    ours, theirs = rounds(rng, trials, n, 0.03), rounds(rng, trials, n, 0.03)
    findings = [found_in(test(c, b), 0.0) for c, b in zip(ours, theirs, strict=True)]
    assert findings.count("more") <= at_most(0.05, trials)
    assert findings.count("less") <= at_most(0.05, trials)
    assert findings.count("more") > 0


@pytest.mark.parametrize("n", [3, 5, 10])
def test_a_change_as_large_as_the_margin_is_no_more_often_called_more(n):
    trials = 1500
    rng = np.random.default_rng(n)
    ours, theirs = rounds(rng, trials, n, 0.03, change=0.05), rounds(rng, trials, n, 0.03)
    findings = [found_in(paired(c, b), 0.05) for c, b in zip(ours, theirs, strict=True)]
    assert findings.count("more") <= at_most(0.05, trials)
    assert findings.count("same") <= at_most(0.05, trials)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_holm_keeps_a_family_of_forty_cases_at_one_false_alarm_in_twenty(n):
    families, cases = 250, 40
    rng = np.random.default_rng(40 + n)
    alarms = plain = 0
    for _ in range(families):
        ours, theirs = rounds(rng, cases, n, 0.05), rounds(rng, cases, n, 0.05)
        chances = [welch(c, b).chance_above(0.0) for c, b in zip(ours, theirs, strict=True)]
        alarms += any(stand(chances))
        plain += any(chance < 0.05 for chance in chances)
    assert alarms <= at_most(0.05, families)
    assert plain > families / 2  # without Holm most families would raise an alarm


def test_a_true_two_percent_is_found_through_a_drift_that_both_share():
    trials, n = 2000, 5
    rng = np.random.default_rng(5)
    drift = np.exp(rng.normal(0, 0.03, (trials, n)))
    ours = (np.array(rounds(rng, trials, n, 0.01, change=0.02)) * drift).tolist()
    theirs = (np.array(rounds(rng, trials, n, 0.01)) * drift).tolist()
    pairs = list(zip(ours, theirs, strict=True))
    by_pairs = sum(found_in(paired(c, b), 0.0) == "more" for c, b in pairs)
    by_welch = sum(found_in(welch(c, b), 0.0) == "more" for c, b in pairs)
    assert by_pairs >= 0.75 * trials
    assert by_welch < 0.5 * trials


@pytest.mark.parametrize(
    ("change", "bounds", "found"),
    [
        (0.01, (-0.05, 0.07), 29),
        (0.09, (-0.03, 0.21), 14),
        (-0.03, (-0.09, 0.03), 14),
        (0.03, (-0.05, 0.11), None),
        (0.0301, (-0.05, 0.11), None),
    ],
)
def test_rounds_that_would_tell_follow_from_the_room_that_is_left(change, bounds, found):
    assert rounds_to_tell(5, change, bounds, 0.03) == found


def test_so_many_rounds_do_tell():
    """The estimate stays, the bounds come nearer with the root of the rounds and Student's t."""
    n = rounds_to_tell(5, 0.09, (-0.03, 0.21), 0.03)

    def told_by(rounds):
        narrower = student_t_quantile(CONFIDENCE, rounds - 1) / student_t_quantile(CONFIDENCE, 4)
        reach = 0.12 * math.sqrt(5 / rounds) * narrower
        return decide(0.09 - reach, 0.09 + reach, 0.03)

    assert told_by(n) == "more"
    assert told_by(n - 1) == "unclear"
