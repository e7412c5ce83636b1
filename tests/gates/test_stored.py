"""A run against a stored one."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_energybench.gates.budgets import parse_budgets
from pytest_energybench.gates.judge import judge_run
from pytest_energybench.gates.results import failure_message
from pytest_energybench.gates.statistics import decide
from pytest_energybench.gates.stored import compare_stored
from pytest_energybench.results.model import Comparison, Host, MeterInfo, Result
from pytest_energybench.results.run_file import encode_run
from pytest_energybench.results.storage import Floor
from tests.results.samples import MACHINE, METERS, make_case, make_run

A = "tests/test_x.py::test_a"
B = "tests/test_x.py::test_b"


def judged(run, stored, nodeid=A, **options):
    """The one stored comparison of a case."""
    result, _ = compare_stored(run, stored, name="main", **options)
    case = next(case for case in result.cases if case.nodeid == nodeid)
    (comparison,) = [each for each in case.comparisons if each.reference == "stored"]
    return comparison


def answer(ours, theirs, **options):
    """What is found in one case with these rounds, and what that comes to."""
    run, stored = make_run(make_case("test_a", *ours)), make_run(make_case("test_a", *theirs))
    found = judged(run, stored, **options)
    return found.finding, found.judged.kind


def test_one_round_is_held_against_a_threshold():
    assert answer([11.0], [10.0]) == ("higher", "fail")
    assert answer([11.0], [10.0], margin=0.1) == ("higher", "pass")
    assert answer([9.0], [10.0]) == ("lower", "pass")


def test_several_rounds_are_compared_by_welch():
    comparison = judged(
        make_run(make_case("test_a", 11.0, 11.1, 11.2)),
        make_run(make_case("test_a", 10.0, 10.1, 10.0)),
    )
    assert comparison.nodeid == A
    assert (comparison.finding, comparison.judged.reason) == ("more", "more than main")
    assert (comparison.method, comparison.n) == ("welch", 3)
    assert answer([11.0, 9.0, 10.5], [10.0, 9.5, 10.6]) == ("unclear", "unknown")


def test_the_name_is_that_of_the_run_and_of_a_path_the_last_part():
    run = make_run(make_case("test_a", 11.0))
    result, _ = compare_stored(run, run, name="out/base.json")
    assert result.cases[0].comparisons[0].name == "base.json"


def test_what_fails_is_the_users_choice_and_the_finding_stays():
    assert answer([11.0], [10.0], fails=()) == ("higher", "pass")
    noisy = ([11.0, 9.0, 10.5], [10.0, 9.5, 10.6])
    assert answer(*noisy, fails={"too-noisy"}) == ("unclear", "fail")


def test_what_fails_must_exceed_the_floor_too():
    budgets = parse_budgets('[budget."*"]\nfloor = "2 J"')
    assert answer([11.0], [10.0], budgets=budgets) == ("higher", "pass")


def test_margin_and_floor_of_a_budget_are_before_those_of_the_session():
    budgets = parse_budgets(f'[budget."{A}"]\nmargin = "20 %"')
    assert answer([11.0], [10.0], budgets=budgets) == ("higher", "pass")
    others = parse_budgets('[budget."z"]\nmargin = 0.9')
    assert answer([11.0], [10.0], budgets=others) == ("higher", "fail")


def test_the_case_gets_the_comparison_and_the_worst_result():
    good = Comparison(reference="budget", finding="lower", judged=Result(kind="pass"))
    old = Comparison(
        reference="stored", finding="unclear", judged=Result(kind="fail", reason="not measured")
    )
    run = make_run(make_case("test_a", 11.0, comparisons=[good, old]))
    result, _ = compare_stored(run, make_run(make_case("test_a", 10.0)), name="main")
    (case,) = result.cases
    assert [each.reference for each in case.comparisons] == ["budget", "stored"]
    assert (case.result.kind, case.result.reason) == ("fail", "more than main")


def test_a_lost_domain_stays_the_cases_result():
    run = make_run(make_case("test_a", 9.0, errors=["gpu:0 was lost"]))
    result, _ = compare_stored(run, make_run(make_case("test_a", 10.0)), name="main")
    assert result.cases[0].result.reason == "not measured"
    assert "gpu:0 was lost" in result.cases[0].result.text


@pytest.mark.parametrize(
    ("fields", "difference"),
    [
        (
            {"machine": msgspec.structs.replace(MACHINE, fingerprint="other", cores=8)},
            "cores is 2 here and 8 there",
        ),
        (
            {"machine": msgspec.structs.replace(MACHINE, fingerprint="other")},
            "machine is 3f2a9c here and other there",
        ),
        (
            {"meters": [MeterInfo(domain="cpu", source="rapl", provenance="measured")]},
            "cpu is estimated by cpu-time here and measured by rapl there",
        ),
        ({"settings": {"preset": "paper"}}, "preset is quick here and paper there"),
        ({"settings": {"preset": "quick", "data": "x"}}, "data is not set here and x there"),
    ],
)
def test_what_is_not_alike_is_listed_and_not_judged_unless_told(fields, difference):
    run, stored = make_run(make_case("test_a", 9.0)), make_run(make_case("test_a", 10.0), **fields)
    result, summary = compare_stored(run, stored, name="main")
    assert difference in summary.differences
    (comparison,) = result.cases[0].comparisons
    assert comparison.finding == "unclear"
    assert comparison.judged.reason == "not comparable"
    assert difference in comparison.judged.text
    assert judged(run, stored, allow_mismatch=True).finding == "lower"


def test_pue_and_carbon_do_not_change_it_energy():
    stored = make_run(
        make_case("test_a", 10.0),
        settings={"pue": 1.0, "carbon_intensity": 300, "preset": "quick", "rounds": 9},
    )
    assert judged(make_run(make_case("test_a", 9.0)), stored).finding == "lower"


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped", "xfailed"])
def test_a_case_that_ended_otherwise_here_or_there_is_not_compared(outcome):
    plain, other = make_case("test_a", 9.0), make_case("test_a", 10.0, outcome=outcome)
    for run, stored in ((plain, other), (other, plain)):
        found = judged(make_run(run), make_run(stored)).judged
        assert (found.kind, found.reason) == ("fail", "not comparable")
        assert outcome in found.text


def test_a_test_that_broke_off_is_not_compared_a_second_time_either():
    run = make_run(make_case("test_a", 9.0, outcome="failed"))
    stored = make_run(make_case("test_a", 10.0))
    for _ in range(2):
        run, _ = compare_stored(run, stored, name="main")
        [found] = run.cases[0].comparisons
        assert found.judged.text == "the case is failed here and passed in the stored run"


def test_a_case_that_its_energy_failed_came_to_its_end_and_is_compared():
    broken = Comparison(
        reference="budget", finding="higher", judged=Result(kind="fail", reason="over budget")
    )
    run = make_run(make_case("test_a", 9.0, outcome="failed", comparisons=[broken]))
    assert judged(run, make_run(make_case("test_a", 10.0))).finding == "lower"


def test_a_case_that_xfailed_here_and_there_is_compared():
    run = make_run(make_case("test_a", 9.0, outcome="xfailed"))
    stored = make_run(make_case("test_a", 10.0, outcome="xfailed"))
    assert judged(run, stored).finding == "lower"


def test_a_case_that_a_run_holds_twice_is_not_compared():
    twice = make_run(make_case("test_a", 9.0), make_case("test_a", 12.0))
    found = judged(make_run(make_case("test_a", 9.0)), twice).judged
    assert (found.reason, "twice" in found.text) == ("not comparable", True)


def test_an_unknown_total_is_not_measured():
    lost = make_case("test_a", 9.0, total_j=None, rounds=[])
    found = judged(make_run(lost), make_run(make_case("test_a", 9.0)))
    assert found.judged.reason == "not measured"


def test_missing_stale_and_not_run_entries_are_told_apart():
    run = make_run(make_case("test_a", 1.0), make_case("test_new", 1.0))
    elsewhere = make_case("test_c", 1.0, nodeid="tests/test_y.py::test_c")
    stored = make_run(
        make_case("test_a", 1.0), make_case("test_b", 1.0), make_case("test_gone", 1.0), elsewhere
    )
    collected = [A, "tests/test_x.py::test_new", B]
    result, summary = compare_stored(run, stored, name="main", collected=collected)
    assert summary.compared == (A,)
    assert summary.missing == ("tests/test_x.py::test_new",)
    assert summary.stale == ("tests/test_x.py::test_gone",)
    assert summary.not_run == (B, "tests/test_y.py::test_c")
    assert result.cases[1].comparisons == []
    _, alone = compare_stored(run, stored, name="main")
    assert set(alone.stale) == {B, "tests/test_x.py::test_gone", "tests/test_y.py::test_c"}


figure = st.floats(0, 1e30) | st.sampled_from([0.0, 5e-324, 1e-300, 1e-9, 1.0, 1e30])
some_rounds = st.lists(figure, min_size=1, max_size=4)


@given(
    st.lists(st.tuples(some_rounds, some_rounds), min_size=1, max_size=4),
    st.floats(0, 10),
    st.sampled_from([0.0, 1e-9, 2.0, 1e30]),
)
def test_whatever_figures_two_files_hold_the_judged_run_can_be_written(pairs, margin, floor_j):
    run, stored = (
        make_run(
            *(make_case(f"test_{i}", *pair[side], facility_j=0.0) for i, pair in enumerate(pairs))
        )
        for side in (0, 1)
    )
    budgets = parse_budgets(f'[budget."*"]\nfloor = "{floor_j} J"')
    result, _ = compare_stored(run, stored, name="main", margin=margin, budgets=budgets)
    encode_run(judge_run(result))
    for case in result.cases:
        assert len(failure_message(case.comparisons[0]).splitlines()) <= 3


def forty(rng, change=0.0, first=0.0):
    """A run of forty cases of five rounds at CV 3 %, the first changed by `first`."""
    return make_run(
        *(
            make_case(
                f"test_{number}",
                *(100 * (1 + (change or first * (number == 0))) * np.exp(rng.normal(0, 0.03, 5))),
            )
            for number in range(40)
        )
    )


def findings(run, stored, **options):
    result, _ = compare_stored(run, stored, name="main", **options)
    return [case.comparisons[0].finding for case in result.cases]


def test_among_forty_unchanged_cases_one_false_alarm_comes_in_twenty_runs():
    rng = np.random.default_rng(7)
    families = 60
    found = [findings(forty(rng), forty(rng)) for _ in range(families)]
    assert sum("more" in kinds for kinds in found) <= stats.binom.ppf(0.999, families, 0.05)
    assert sum("less" in kinds for kinds in found) <= stats.binom.ppf(0.999, families, 0.05)


def test_among_forty_unchanged_cases_with_a_margin_nearly_all_are_the_same():
    rng = np.random.default_rng(11)
    found = findings(forty(rng), forty(rng), margin=0.15)
    assert found.count("same") >= 38


def test_among_forty_cases_a_large_change_is_still_found():
    rng = np.random.default_rng(8)
    kinds = findings(forty(rng, first=0.30), forty(rng))
    assert kinds[0] == "more"
    assert kinds.count("more") == 1


def test_the_interval_shown_is_the_one_that_was_judged():
    rng = np.random.default_rng(9)
    run, stored = forty(rng, first=0.30), forty(rng)
    result, _ = compare_stored(run, stored, name="main", margin=0.05)
    for case in result.cases:
        (found,) = case.comparisons
        lower, upper = found.interval
        assert found.method == "welch, holm"
        assert found.finding == decide(lower, upper, 0.05)
    alone, _ = compare_stored(
        msgspec.structs.replace(run, cases=run.cases[:1]), stored, name="main", margin=0.05
    )
    assert alone.cases[0].comparisons[0].method == "welch"
    assert alone.cases[0].comparisons[0].interval[0] > result.cases[0].comparisons[0].interval[0]


def test_of_two_cases_each_is_held_to_half_the_risk():
    """One p-value between 0.025 and 0.05 stands alone, and not beside another case."""
    doubtful = make_case("test_a", 102.6, 104.2, 101.6), make_case("test_a", 100.0, 101.5, 99.0)
    calm = make_case("test_b", 100.0, 101.0, 99.0), make_case("test_b", 100.2, 101.0, 99.0)
    assert findings(make_run(doubtful[0]), make_run(doubtful[1])) == ["more"]
    both = findings(make_run(doubtful[0], calm[0]), make_run(doubtful[1], calm[1]))
    assert both == ["unclear", "unclear"]


def test_each_case_is_held_against_what_its_own_host_can_be_compared_with():
    other = msgspec.structs.replace(MACHINE, fingerprint="x", cpu="Another CPU")
    run = make_run(
        make_case("test_a", 10.0, host="host 1"),
        make_case("test_b", 10.0, host="host 2"),
        hosts=[
            Host(name=name, machine=machine, meters=METERS, settings=make_run().settings)
            for name, machine in (("host 1", MACHINE), ("host 2", other))
        ],
    )
    stored = make_run(make_case("test_a", 10.0), make_case("test_b", 10.0))
    assert judged(run, stored, A).finding == "same"
    assert "host 2: cpu is Another CPU here" in judged(run, stored, B).judged.text
    assert judged(stored, run, A).finding == "same"
    assert "cpu is Some CPU @ 2.0 GHz here" in judged(stored, run, B).judged.text
    assert judged(run, stored, B, allow_mismatch=True).finding == "same"
    assert judged(run, run, B).finding == "same"
    _, summary = compare_stored(run, stored, name="main")
    assert all(each.startswith("host 2: ") for each in summary.differences)


def test_a_margin_below_the_machines_noise_is_told_once():
    run = make_run(make_case("test_a", 10.0), make_case("test_b", 10.0), make_case("test_c", 1.0))
    floors = [
        Floor(
            machine=MACHINE.fingerprint,
            meters="cpu cpu-time, ram ram-size",
            nodeid=nodeid,
            floor=floor,
            pairs=5,
        )
        for nodeid, floor in ((A, 0.0746), (B, 0.05), ("c", 0.04))
    ]
    compared, summary = compare_stored(run, run, name="main", margin=0.03, floors=floors)
    assert compared.compared_with.noise == summary.noise
    assert summary.noise == (
        "margin 3 % is below this machine's noise floor of 7.5 % (energybench null) for"
        f" {A} and 2 more: take more rounds or a larger margin"
    )
    for quiet in ({"margin": 0.08, "floors": floors}, {"margin": 0.0}):
        assert compare_stored(run, run, name="main", **quiet)[1].noise == ""
