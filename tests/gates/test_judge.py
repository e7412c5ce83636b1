"""A whole run judged again."""

import msgspec

from pytest_energybench.gates.accuracy import Score, judge_accuracy
from pytest_energybench.gates.budgets import parse_budgets
from pytest_energybench.gates.comparisons import judge_budget, judge_duration, judge_group
from pytest_energybench.gates.judge import judge_run, with_changes
from pytest_energybench.gates.results import broke_off, condoned, with_comparisons
from pytest_energybench.results.model import Comparison, Result
from tests.results.samples import make_case, make_run

FINE = Result(kind="pass")
PLAIN = make_case("test_m[plain]", 10.0, group="g", baseline=True, metrics={"accuracy": 0.98})


def pruned(*joules, **fields):
    """A case that was compared with the baseline when that took 10 J."""
    case = make_case("test_m[pruned]", *joules, group="g", metrics={"accuracy": 0.975}, **fields)
    energy = judge_group(case, PLAIN, margin=0.1, interleaved=True)
    accuracy = judge_accuracy(Score(0.975), Score(0.98), 0.01, name=PLAIN.name, nodeid=PLAIN.nodeid)
    return make_case(
        "test_m[pruned]", *joules, group="g", metrics=case.metrics, comparisons=[energy, accuracy]
    )


def test_the_same_figures_give_the_same_answers():
    case = pruned(10.5)
    again = judge_run(make_run(PLAIN, case)).cases[1]
    assert again.comparisons == case.comparisons


def test_a_comparison_is_made_again_with_its_own_margin_on_new_figures():
    heavier = make_case("test_m[plain]", 9.0, group="g", baseline=True, metrics={"accuracy": 0.99})
    energy, accuracy = judge_run(make_run(heavier, pruned(10.5))).cases[1].comparisons
    assert (energy.judged.reason, energy.margin) == ("more than test_m[plain]", 0.1)
    assert energy.limit == 9.9
    assert accuracy.judged.reason == "accuracy lost"
    assert judge_run(make_run(heavier, pruned(9.8))).cases[1].comparisons[0].judged.kind == "pass"


def test_the_method_stays_the_one_it_was_judged_by():
    plain = make_case("test_m[plain]", 10.0, 11.0, group="g", baseline=True)
    case = make_case("test_m[pruned]", 8.0, 9.0, group="g")
    for interleaved, method in ((True, "paired"), (False, "welch")):
        made = judge_group(case, plain, margin=0.0, interleaved=interleaved)
        run = make_run(plain, make_case("test_m[pruned]", 8.0, 9.0, comparisons=[made]))
        assert judge_run(run).cases[1].comparisons[0].method == method


def test_what_nobody_asked_for_is_in_pairs_only_where_rounds_were_interleaved():
    cases = [
        make_case("test_m[plain]", 10.0, 11.0, group="g", baseline=True),
        make_case("test_m[pruned]", 8.0, 9.0, group="g"),
    ]
    for rounds, method in ((1, "welch"), (2, "paired")):
        run = make_run(*cases, settings={"rounds": rounds})
        for made in (with_changes(run), judge_run(run)):
            assert [each.method for each in made.cases[1].comparisons] == [method]


def test_what_was_judged_inside_a_test_or_against_a_stored_run_stays():
    kept = [
        Comparison(reference="stored", nodeid=PLAIN.nodeid, finding="less", judged=FINE),
        Comparison(reference="group", name="A/B in the test", finding="same", judged=FINE),
        Comparison(reference="group", nodeid="gone", finding="same", margin=0.0, judged=FINE),
        judge_budget(10.0, 20.0),
    ]
    case = make_case("test_a", 10.0, comparisons=kept)
    assert judge_run(make_run(PLAIN, case)).cases[1].comparisons == kept


def test_a_comparison_of_a_case_with_itself_stays():
    nodeid = "tests/test_x.py::test_m[pruned]"
    own = [Comparison(reference="group", nodeid=nodeid, finding="same", margin=0.0, judged=FINE)]
    alone = make_case("test_m[pruned]", 10.5, group="g", comparisons=own)
    assert judge_run(make_run(alone)).cases[0].comparisons == own


def test_a_budget_from_elsewhere_and_comparisons_of_another_kind_stay_beside_the_files():
    budgets = parse_budgets('[budget."*"]\nmax_energy = "5 J"')
    kept = [
        judge_budget(10.0, 7.0),
        judge_duration(1.0, 5.0),
        Comparison(reference="group", finding="same", limit=5.0, judged=FINE),
    ]
    case = judge_run(make_run(make_case("test_a", 10.0, comparisons=kept)), budgets=budgets)
    assert case.cases[0].comparisons[:-1] == kept
    assert case.cases[0].comparisons[-1].limit == 5.0


def test_budgets_are_added_once():
    budgets = parse_budgets('[budget."*test_a"]\nmax_energy = "5 J"')
    run = make_run(make_case("test_a", 10.0), make_case("test_b", 10.0))
    once = judge_run(run, budgets=budgets)
    assert once.cases[0].result.kind == "fail"
    assert once.cases[1].result == Result(kind="pass", reason="not judged")
    assert judge_run(once, budgets=budgets) == once


def test_budgets_say_nothing_of_a_test_that_broke_off():
    budgets = parse_budgets('[budget."*"]\nmax_energy = "5 J"')
    cases = [make_case(f"test_{each}", 1.0, outcome=each) for each in ("failed", "skipped")]
    failed, skipped = judge_run(make_run(*cases), budgets=budgets).cases
    assert failed.comparisons == skipped.comparisons == []
    assert (failed.result.kind, skipped.result.kind) == ("fail", "unknown")
    over = [make_case(case.name, 9.0, outcome=case.outcome) for case in cases]
    assert all(map(broke_off, judge_run(make_run(*over), budgets=budgets).cases))


def test_a_failure_that_its_test_caught_stays_caught_in_a_merged_run():
    case = pruned(12.0)
    caught = msgspec.structs.replace(case, comparisons=list(map(condoned, case.comparisons)))
    energy, _ = judge_run(make_run(PLAIN, caught)).cases[1].comparisons
    assert (energy.judged.kind, energy.judged.reason) == ("pass", "more than test_m[plain]")


def result(*judged, outcome="passed", **fields):
    """The result of a case whose rules came to these."""
    made = [Comparison(reference="budget", finding="unclear", judged=each) for each in judged]
    case = msgspec.structs.replace(make_case("test_a", 10.0, **fields), outcome=outcome)
    found = with_comparisons(case, made).result
    return found.kind, found.reason


PASS, TOLD = Result(kind="pass"), Result(kind="pass", reason="more than main")
NOISY, OVER = (
    Result(kind="unknown", reason="too noisy"),
    Result(kind="fail", reason="over budget"),
)


def test_the_worst_of_all_rules_decides_and_nothing_else():
    assert result(PASS, NOISY, OVER, PASS) == ("fail", "over budget")
    assert result(PASS, NOISY) == ("unknown", "too noisy")
    assert result(PASS, TOLD) == ("pass", "more than main")
    assert result(PASS) == ("pass", "")
    assert result() == ("pass", "not judged")
    later = Result(kind="of a later version", reason="?")
    assert result(OVER, later) == ("of a later version", "?")


def test_an_expected_failure_is_neither_failed_nor_passed():
    assert result(PASS, OVER, outcome="xfailed") == ("xfail", "over budget")


def test_a_test_that_failed_otherwise_fails_whatever_its_rules_came_to():
    assert result(PASS, outcome="failed") == ("fail", "not judged")
    assert result(PASS, OVER, outcome="failed") == ("fail", "over budget")
    assert result(outcome="error", errors=["the worker died"]) == ("fail", "not measured")
    assert result(outcome="skipped") == ("unknown", "not judged")
    assert result(PASS, outcome="skipped") == ("unknown", "not judged")
    assert result(NOISY, outcome="skipped") == ("unknown", "too noisy")


def test_an_energy_that_went_wrong_is_no_pass():
    assert result(PASS, errors=["gpu:0 was lost"]) == ("unknown", "not measured")
    assert result(OVER, errors=["gpu:0 was lost"]) == ("fail", "over budget")


def test_every_case_of_a_group_is_held_against_its_reference_asked_for_or_not():
    plain = make_case("test_m[plain]", 10.0, group="g", baseline=True, metrics={"accuracy": 0.9})
    asked = judge_group(make_case("test_m[a]", 20.0), plain, margin=0.5, interleaved=True)
    run = make_run(
        plain,
        make_case("test_m[a]", 20.0, group="g", comparisons=[asked], metrics={"accuracy": 0.8}),
        make_case("test_m[b]", 5.0, group="g"),
        make_case("test_m[c]", 5.0, group="g", outcome="failed"),
        make_case("test_m[d]", 5.0, group="g", total_j=None, rounds=[]),
        make_case("test_m[e]", 5.0),
    )
    base, first, second, *others = with_changes(run).cases
    assert base.comparisons == []
    energy, accuracy = first.comparisons
    assert energy == asked
    assert (accuracy.quantity, accuracy.finding, accuracy.judged) == ("accuracy", "undecided", None)
    (shown,) = second.comparisons
    assert (shown.finding, shown.estimate, shown.judged) == ("lower", -0.5, None)
    assert [case.comparisons for case in others] == [[], [], []]
    again = with_changes(run)
    assert judge_run(again).cases[2].comparisons == again.cases[2].comparisons
