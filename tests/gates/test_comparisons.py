"""Energy against a budget and against another case."""

import math
import re
from functools import partial

import pytest

from pytest_energybench.gates.comparisons import (
    judge_budget,
    judge_change,
    judge_duration,
    judge_group,
)
from pytest_energybench.gates.figures import Figures, known_as, provenance_word, unlike
from pytest_energybench.gates.results import failure_message, passes
from pytest_energybench.results.model import NOT_COMPARABLE, Case, Round
from pytest_energybench.results.storage import is_good

judge = partial(judge_change, name="plain")
ESTIMATED = {"cpu": "estimated", "ram": "estimated"}
MEASURED = {"cpu:0": "measured", "dram:0": "measured"}


def figures(*rounds, provenance=ESTIMATED, nodeid="tests/x.py::test_y[plain]"):
    middle = sorted(rounds)[len(rounds) // 2] if None not in rounds else None
    return Figures(middle, rounds, provenance, nodeid)


def test_a_budget_holds_at_its_limit_and_breaks_above_it():
    assert passes(judge_budget(144_000.0, 144_000.0))
    assert passes(judge_budget(0.1 + 0.2, 0.3))
    broken = judge_budget(150_000.0, 144_000.0, provenance=ESTIMATED, source="budgets.toml")
    assert (broken.reference, broken.name, broken.finding) == ("budget", "budgets.toml", "higher")
    assert (broken.judged.kind, broken.judged.reason) == ("fail", "over budget")
    assert broken.estimate == pytest.approx(150 / 144 - 1)
    assert broken.limit == 144_000.0
    assert failure_message(broken) == (
        "energy 150 kJ (estimated) is above the budget of 144 kJ (budgets.toml): +4.2 %"
    )


@pytest.mark.parametrize("total", [None, math.nan, math.inf, -1.0])
def test_a_total_that_is_not_known_is_not_measured_and_never_passes(total):
    for judged in (
        judge_budget(total, 10.0),
        judge(figures(5.0), Figures(total)),
        judge(Figures(total), figures(5.0)),
    ):
        assert (judged.finding, judged.estimate) == ("unclear", None)
        assert (judged.judged.kind, judged.judged.reason) == ("fail", "not measured")


def test_a_round_that_lost_a_domain_leaves_nothing_measured():
    lost = judge(figures(1.0, None, 1.0), figures(2.0, 2.0, 2.0))
    assert lost.judged.reason == "not measured"


def test_a_budget_of_zero_has_no_relative_change():
    assert judge_budget(1.0, 0.0).estimate is None
    assert judge_budget(1.0, 0.0).judged.reason == "over budget"
    assert passes(judge_budget(0.0, 0.0))


def test_a_duration_is_judged_in_seconds():
    slow = judge_duration(61.0, 60.0)
    assert (slow.quantity, slow.judged.reason, slow.limit) == ("duration", "over budget", 60.0)
    assert "duration 1 min 01 s is above the budget of 1 min 00 s" in slow.judged.text
    assert passes(judge_duration(60.0, 60.0))


@pytest.mark.parametrize(
    ("joules", "margin", "finding", "reason"),
    [
        (30.0, 0.0, "lower", ""),
        (38.0, 0.0, "same", ""),
        (38.1, 0.0, "higher", "more than plain"),
        (39.9, 0.05, "higher", ""),
        (38.0 * 1.05, 0.05, "higher", ""),
        (40.0, 0.05, "higher", "more than plain"),
    ],
)
def test_one_round_says_lower_or_higher_and_is_held_against_a_threshold(
    joules, margin, finding, reason
):
    found = judge(figures(joules), figures(38.0), margin=margin)
    assert (found.finding, found.method, found.n) == (finding, "threshold", 1)
    assert (found.judged.kind, found.judged.reason) == ("fail" if reason else "pass", reason)
    assert found.interval is None
    assert found.estimate == pytest.approx(joules / 38.0 - 1)


def test_interleaved_rounds_are_paired_so_that_a_shared_drift_cancels():
    drift = [1.0, 1.3, 1.7, 2.2, 2.9]
    baseline = figures(*(100 * d for d in drift))
    candidate = figures(*(105 * d * e for d, e in zip(drift, [1, 1.01, 0.99, 1, 1], strict=True)))
    together = judge(candidate, baseline)
    apart = judge(candidate, baseline, interleaved=False)
    assert (together.finding, together.method) == ("more", "paired")
    assert (apart.finding, apart.method) == ("unclear", "welch")
    assert (together.judged.reason, apart.judged.reason) == ("more than plain", "too noisy")
    assert together.interval[0] < together.estimate < together.interval[1]


def test_unlike_numbers_of_rounds_are_compared_by_welch_and_one_round_by_threshold():
    assert judge(figures(1.0, 1.1), figures(1.0, 1.1, 1.2)).method == "welch"
    assert judge(figures(1.0), figures(1.0, 1.1, 1.2)).method == "threshold"


def test_identical_rounds_are_judged_on_their_difference_alone():
    assert judge(figures(5.0, 5.0), figures(5.0, 5.0)).finding == "same"
    assert judge(figures(6.0, 6.0), figures(5.0, 5.0)).finding == "more"
    assert judge(figures(4.0, 4.0), figures(5.0, 5.0)).finding == "less"


def test_what_is_shown_not_to_be_more_passes_though_it_may_be_less():
    ours, theirs = figures(90.0, 101.0, 95.0), figures(100.0, 100.0, 100.0)
    found = judge(ours, theirs, margin=0.05)
    lower, upper = found.interval
    assert lower < -0.05 < 0 < upper < 0.05
    assert found.finding == "unclear"
    assert passes(found)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [((0.0,), (1.0,)), ((1.0,), (0.0,)), ((0.0, 1.0), (1.0, 1.0)), ((0.0,), (0.0,))],
)
def test_a_round_of_zero_joules_says_nothing(ours, theirs):
    found = judge(figures(*ours), figures(*theirs))
    assert (found.finding, found.judged.reason) == ("unclear", "too short")
    assert "below what the meter resolves" in found.judged.text


def test_figures_far_apart_stay_finite():
    found = judge(figures(1e300, 1e-300), figures(1e-300, 1e300))
    assert all(math.isfinite(bound) for bound in found.interval)
    far = judge(figures(1e300), figures(1e-300))
    assert (far.finding, far.estimate) == ("higher", None)
    assert far.judged.reason == "more than plain"


def test_an_estimate_is_not_judged_against_a_measured_figure_unless_told():
    ours, theirs = figures(1.0), figures(2.0, provenance=MEASURED)
    refused = judge(ours, theirs)
    assert (refused.finding, refused.judged.reason) == ("unclear", "not comparable")
    assert refused.judged.text.startswith("cpu is estimated here and measured")
    assert not passes(refused)
    assert judge(ours, theirs, allow_mismatch=True).finding == "lower"


def test_the_number_of_the_gpu_does_not_make_figures_unlike_but_a_missing_gpu_does():
    first = figures(1.0, provenance={"gpu:0": "measured"})
    second = figures(2.0, provenance={"node-b/gpu:3": "measured"})
    assert judge(first, second).finding == "lower"
    without = judge(figures(1.0, provenance={"cpu": "estimated"}), second)
    assert "gpu is not metered here and measured there" in without.judged.text


def test_what_fails_must_exceed_the_margin_and_the_floor():
    assert passes(judge(figures(11.0), figures(10.0), floor_j=2.0))
    assert not passes(judge(figures(12.5), figures(10.0), floor_j=2.0))
    small = judge(figures(12.5), figures(10.0), margin=0.05, floor_j=2.0)
    assert "+5 % margin or +2.00 J" in small.judged.text
    large = judge(figures(104.0), figures(100.0), margin=0.05, floor_j=2.0)
    assert passes(large)


def test_a_stored_comparison_says_so_by_name():
    judged = judge_change(figures(2.0), figures(1.0), name="main", against="stored")
    assert (judged.reference, judged.name) == ("stored", "main")
    assert "main's 1.00 J" in judged.judged.text
    assert "reference: tests/x.py::test_y[plain]" in failure_message(judged)


def test_the_sentence_shows_the_two_figures_that_were_compared():
    ours, theirs = figures(64.0, 66.0, 90.0), figures(40.0, 65.0, 70.0)
    found = judge(ours, theirs, interleaved=False)
    shown = [float(each) for each in re.findall(r"([0-9.]+) J", found.judged.text)]
    assert shown[0] / shown[1] - 1 == pytest.approx(found.estimate, abs=0.01)


@pytest.mark.parametrize("rounds", [(10.0,), (10.0, 10.0, 10.0)])
def test_as_much_is_not_less(rounds):
    comparison = judge(figures(*rounds), figures(*rounds), must_fall=True)
    assert not passes(comparison)
    assert "is not clearly below" in comparison.judged.text


@pytest.mark.parametrize(
    ("fails", "more", "lost"),
    [(None, "fail", "fail"), ({"more"}, "fail", "unknown"), ((), "pass", "unknown")],
)
def test_what_fails_is_the_users_choice_and_the_reason_stays(fails, more, lost):
    above = judge(figures(2.0), figures(1.0), fails=fails).judged
    assert (above.kind, above.reason) == (more, "more than plain")
    unknown = judge(figures(None), figures(1.0), fails=fails).judged
    assert (unknown.kind, unknown.reason) == (lost, "not measured")


ESTIMATED = {"cpu": "estimated", "ram": "estimated"}


def test_the_figures_of_a_case_are_its_rounds_and_its_provenance():
    rounds = [
        Round(started="", duration_s=1.0, energy_j={"cpu": joules}, total_j=joules)
        for joules in (1.0, 3.0)
    ]
    case = Case(nodeid="a", name="a", rounds=rounds, total_j=2.0, provenance=dict(ESTIMATED))
    assert Figures.of(case) == Figures(2.0, (1.0, 3.0), ESTIMATED, "a", ([], []))
    assert Figures(2.0).samples == (2.0,)


def of_seeds(**joules_by_seed):
    rounds = [
        Round(started="", duration_s=1.0, energy_j={}, total_j=joules, seed=int(seed[1:]))
        for seed, all_joules in joules_by_seed.items()
        for joules in all_joules
    ]
    return Case(nodeid="a", name="a", rounds=rounds, total_j=1.0, provenance=dict(ESTIMATED))


def test_rounds_of_one_seed_are_one_sample_where_others_have_another():
    """Five rounds of one trained model don't say how five other models would do."""
    many = of_seeds(s7=(1.0, 3.0), s8=(4.0, 6.0))
    assert (Figures.of(many).samples, Figures.of(many).seeds) == ((2.0, 5.0), (7, 8))
    against = of_seeds(s7=(2.0, 2.0), s8=(5.0, 5.0))
    made = judge_group(many, against, margin=0.0, interleaved=False)
    assert (made.method, made.n, made.estimate) == ("paired", 2, pytest.approx(0.0))


def test_repeated_rounds_of_one_seed_are_no_pairs_unless_they_ran_in_turn():
    one, other = of_seeds(s7=(1.0, 3.0)), of_seeds(s7=(1.0, 4.0))
    assert Figures.of(one).samples == (1.0, 3.0)
    for interleaved, method in ((False, "welch"), (True, "paired")):
        made = judge_group(one, other, margin=0.0, interleaved=interleaved)
        assert (made.method, made.n) == (method, 2)


@pytest.mark.parametrize("joules", [None, math.nan, math.inf, -1.0])
def test_one_round_that_is_not_known_leaves_no_sample(joules):
    assert Figures(1.0, (1.0, joules)).samples == ()
    assert Figures(joules).samples == ()


def test_a_mixed_total_says_all_it_is_made_of_the_surest_first():
    assert provenance_word(ESTIMATED) == "estimated"
    mixed = {"ram": "estimated", "cpu:0": "measured", "gpu:0": "integrated"}
    assert provenance_word(mixed) == "measured + integrated + estimated"
    assert provenance_word({}) == "provenance unknown"


def test_domains_are_compared_by_kind_whatever_they_are_numbered_or_on_which_host():
    assert unlike({"gpu:0": "measured"}, {"b/gpu:3": "measured"}) is None
    two_hosts = {f"{host}/{name}": "measured" for host in "ab" for name in ("gpu:0", "cpu:0")}
    one_host = {f"{name}:{n}": "measured" for n in (0, 1) for name in ("gpu", "cpu")}
    assert unlike(two_hosts, one_host) is None
    assert unlike(ESTIMATED, dict(reversed(ESTIMATED.items()))) is None


def test_what_is_unlike_is_told_domain_by_domain():
    assert unlike({"cpu": "estimated"}, {"cpu:0": "measured", "dram:0": "measured"}) == (
        "cpu is estimated here and measured there, dram is not metered here and measured there"
    )
    assert unlike({"gpu:0": "measured", "gpu:1": "integrated"}, {"gpu:0": "measured"}) == (
        "gpu is integrated + measured here and measured there"
    )


def test_a_device_less_is_told_and_not_compared():
    one, two = ({f"gpu:{n}": "measured" for n in range(count)} for count in (1, 2))
    assert unlike(one, two) == "gpu is measured here and 2 x measured there"
    assert unlike({**two, "cpu": "estimated"}, {**one, "cpu": "estimated"}) == (
        "gpu is 2 x measured here and measured there"
    )
    for ours, theirs in ((one, two), (two, one)):
        sides = (Figures(5.0, (5.0,), ours), Figures(9.0, (9.0,), theirs))
        found = judge_change(*sides, name="plain")
        assert (found.finding, found.judged.reason) == ("unclear", NOT_COMPARABLE)


@pytest.mark.parametrize(
    ("reference", "case", "name"),
    [
        ({"method": "plain"}, {"method": "pruned"}, "plain"),
        ({"model": "m", "method": "plain"}, {"model": "m", "method": "pruned"}, "plain"),
        ({"a": 1, "b": "x"}, {"a": 2, "b": "y"}, "x"),
        ({"a": 1, "b": 2}, {"a": 2, "b": 3}, "1-2"),
        ({}, {}, "test_plain"),
        ({"method": "plain"}, {}, "test_plain"),
    ],
)
def test_a_reference_is_called_by_what_sets_it_apart(reference, case, name):
    base = Case(nodeid="t::test_plain", name="test_plain", params=reference)
    assert known_as(base, Case(nodeid="t::test_x", name="test_x", params=case)) == name


def lost_in(*numbers, of=5, whole=110.0, rest=10.0):
    """A case whose GPU was lost in these of its rounds, and might be missing."""
    lost = ["without gpu:0, which may be missing: lost before the window opened: gone"]
    rounds = [
        Round(
            started="",
            duration_s=1.0,
            energy_j={},
            total_j=rest if number in numbers else whole,
            flags=lost if number in numbers else [],
        )
        for number in range(of)
    ]
    provenance = {"cpu:0": "measured", "gpu:0": "measured"}
    if len(numbers) == of:
        del provenance["gpu:0"]
    return Case(nodeid="a", name="a", rounds=rounds, total_j=rest, provenance=provenance)


def test_rounds_with_a_domain_and_without_it_are_no_sample_of_one_energy():
    """So [110, 10, 10, 10, 10] is not less than five times 110."""
    partly, never, always = lost_in(1, 2, 3, 4), lost_in(), lost_in(*range(5))
    for case, reference, whose in ((partly, never, "the case's"), (never, partly, "a's")):
        made = judge_group(case, reference, margin=0.0, interleaved=True)
        assert (made.finding, made.judged.reason) == ("unclear", NOT_COMPARABLE)
        assert made.judged.text == f"{whose} rounds are partly without gpu:0"
        made = judge_group(case, reference, margin=0.0, interleaved=True, allow_mismatch=True)
        assert made.judged.reason != NOT_COMPARABLE
    assert judge_group(always, always, margin=0.0, interleaved=True).finding == "same"
    assert [is_good(case) for case in (partly, never, always)] == [False, True, True]
