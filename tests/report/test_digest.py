"""What a run came to, in words that all outputs share."""

import msgspec
import pytest
from msgspec.structs import replace

from pytest_energybench.gates.accuracy import Score, judge_accuracy
from pytest_energybench.gates.comparisons import judge_budget, judge_change, judge_duration
from pytest_energybench.gates.figures import Figures
from pytest_energybench.gates.results import judged
from pytest_energybench.measurement.abtest import ABTest
from pytest_energybench.report.build import run_view
from pytest_energybench.report.digest import digest
from pytest_energybench.report.html import render_html
from pytest_energybench.results.model import (
    Case,
    Comparison,
    Result,
    Round,
    Run,
    StoredRun,
)
from tests.report.samples import MACHINE, passing_run


def found(*cases, **run):
    return digest(run_view(Run(machine=MACHINE, cases=list(cases), **run)))


def case(name="t", *, outcome="passed", **fields):
    return judged(Case(nodeid=f"f.py::{name}", name=name, outcome=outcome, **fields))


@pytest.mark.parametrize(
    ("comparison", "figures"),
    [
        (judge_budget(52.5, 50.0, source="b.toml"), "52.5 J > 50.0 J  +5.0 %  b.toml"),
        (judge_budget(52.5, 0.01), "52.5 J > 10.0 mJ  5,250 times"),
        (judge_duration(61.0, 60.0), "1 min 01 s > 1 min 00 s  +1.7 %"),
        (
            judge_accuracy(Score(0.9), Score(0.95), 0.01, name="plain"),
            "0.950 → 0.900  −5.00 points",
        ),
    ],
)
def test_what_failed_has_both_figures_and_the_change(comparison, figures):
    made = case(
        outcome="failed",
        total_j=52.5,
        duration_s=61.0,
        metrics={"accuracy": 0.9},
        comparisons=[comparison],
    )
    (entry,) = found(made).entries
    assert (entry.word, entry.figures) == ("FAIL", figures)


def test_every_rule_of_a_case_that_failed_is_told():
    comparisons = [judge_budget(5.0, 1.0), judge_duration(5.0, 1.0), judge_budget(5.0, 9.0)]
    made = case(outcome="failed", total_j=5.0, duration_s=5.0, comparisons=comparisons)
    assert [entry.figures.split("  ")[0] for entry in found(made).entries] == [
        "5.00 J > 1.00 J",
        "5.00 s > 1.00 s",
    ]


@pytest.mark.parametrize(
    ("cases", "failures", "word"),
    [
        ([case(total_j=1.0)], [], "NOT JUDGED"),
        ([case(total_j=1.0, comparisons=[judge_budget(1.0, 2.0)])], [], "PASSED"),
        ([case(errors=["lost"])], [], "UNDECIDED"),
        ([case(outcome="failed", total_j=1.0)], [], "FAILED"),
        ([case(total_j=1.0)], ["b.toml: no budget matches f.py::t"], "FAILED"),
    ],
)
def test_a_run_passes_only_where_something_was_judged_and_nothing_failed(cases, failures, word):
    assert found(*cases, failures=failures).word == word


def test_a_stored_run_without_a_case_in_common_decides_nothing():
    told = found(
        case(total_j=1.0, rounds=[]),
        compared_with=StoredRun(name="main", created="2026-11-25", stale=["f.py::old"]),
    )
    assert told.head.startswith("Nothing to compare with main (2026-11-25): ")
    assert "1 no longer metered: f.py::old" in told.head


MAIN = StoredRun(name="main", created="2026-11-25", stale=["f.py::old"])
ONE_ROUND = [Round(started="", duration_s=1.0, energy_j={}, total_j=1.0)]
WITHIN = case(total_j=1.0, rounds=ONE_ROUND, comparisons=[judge_budget(1.0, 2.0)])
ABOVE = case(
    "u", outcome="failed", total_j=3.0, rounds=ONE_ROUND, comparisons=[judge_budget(3.0, 2.0)]
)
REFUSED = case(
    "v",
    total_j=1.0,
    rounds=ONE_ROUND,
    comparisons=[
        Comparison(
            reference="stored",
            name="history:10",
            finding="unclear",
            n=0,
            judged=Result(kind="fail", reason="not comparable", text="no earlier run of it"),
        )
    ],
)


@pytest.mark.parametrize(
    ("cases", "head"),
    [
        ([WITHIN], "PASSED by other rules; nothing compared with main (2026-11-25): "),
        ([WITHIN, ABOVE], "FAILED; nothing compared with main (2026-11-25; 1 round, so no bounds)"),
        ([REFUSED], "FAILED; nothing compared with main (2026-11-25; 1 round, so no bounds)"),
    ],
    ids=["renamed tests, each within its budget", "one is above", "no run of this machine"],
)
def test_nothing_is_called_held_against_a_stored_run_that_no_figure_was_set_against(cases, head):
    told = found(*cases, compared_with=MAIN)
    assert told.head.startswith(head)
    assert "nothing compared with main (2026-11-25)" in told.scope
    page = render_html(run_view(Run(machine=MACHINE, cases=cases, compared_with=MAIN)))
    for said in (told.head, told.scope, page):
        assert "same machine" not in said
        assert "against main" not in said
        assert "against history" not in said
        assert "the stored run main" not in said


def test_a_failure_against_another_figure_says_what_was_tolerated_and_how_often_it_was_measured():
    figures = [Figures(None, joules, {"cpu:0": "measured"}) for joules in ((2.0, 2.1), (1.0, 1.1))]
    made = judge_change(*figures, name="plain", margin=0.25)
    rounds = [Round(started="", duration_s=1.0, energy_j={}, total_j=2.0)] * 2
    told = found(case(outcome="failed", rounds=rounds, comparisons=[made]))
    assert told.head == "FAILED (margin 25 %; 2 rounds)"
    assert found(ABOVE).head == "FAILED"


def test_two_functions_of_one_test_are_in_no_group():
    sides = (80.0, 81.0), (100.0, 101.0)
    made = ABTest(*sides, {"cpu:0": "measured"}, ((), ()), None).judge()
    told = found(case(total_j=80.0, comparisons=[made]))
    assert told.scope.startswith("against the other function of a test")
    assert told.head == "PASSED: 1 less: t −19.9 %, worst −19.9 % [−20.5, −19.3]"
    page = render_html(run_view(Run(machine=MACHINE, cases=[case(comparisons=[made])])))
    assert "<dt>Compared with</dt><dd>the other function of a test</dd>" in page
    assert "the group&#39;s" not in page


def test_against_a_stored_run_no_case_is_told_by_its_change_against_its_group(ci):
    """Half of its group's reference, and as much as in the stored run: unchanged, not less."""
    same, less = (
        next(each for each in ci.cases if finding in [one.finding for one in each.comparisons])
        for finding in ("same", "less")
    )
    group = Comparison(
        reference="group", name="plain", nodeid=same.nodeid, finding="less", estimate=-0.5
    )
    cases = [replace(each, comparisons=[group, *each.comparisons]) for each in (same, less)]
    told = digest(run_view(replace(ci, cases=cases)))
    assert [each.text for each in told.likes][:2] == [
        "1 unchanged",
        f"1 less: {less.name} −22.0 %",
    ]
    assert ["−22.0 %" in each.figures for each in told.changed] == [True]


def test_a_run_without_a_case_says_so_beside_the_stored_run():
    told = found(compared_with=StoredRun(name="main", created="2026-11-25"))
    assert told.head == "Nothing to compare with main (2026-11-25): no case was metered"


def test_a_failure_of_a_case_is_told_once(ci):
    line = "tests/test_codec.py::test_encode[jpeg]: more than main: energy ..."
    twice = msgspec.structs.replace(ci, failures=[line])
    assert digest(run_view(twice)).entries == digest(run_view(ci)).entries


def test_a_view_is_digested_once_for_all_that_lay_it_out(ci):
    view = run_view(ci)
    assert digest(view) is digest(view)


def test_the_worst_is_not_that_of_a_case_that_failed(ci):
    assert digest(run_view(ci)).worst == (
        "worst of those that pass +1.0 % [−0.8, +2.8] of 5 % allowed"
    )
    assert digest(run_view(passing_run())).worst == "worst +1.0 % [−0.8, +2.8] of 5 % allowed"
    none = msgspec.structs.replace(ci, cases=ci.cases[:1])
    assert digest(run_view(none)).worst == ""


def of(results, **run):
    cases = [
        Case(nodeid=f"t.py::t{number}", name="", total_j=1.0, result=result)
        for number, result in enumerate(results)
    ]
    return found(*cases, **run)


PASS, UNKNOWN = Result(kind="pass"), Result(kind="unknown", reason="too noisy")


@pytest.mark.parametrize(
    ("results", "word", "sentence"),
    [
        ([], "NOT JUDGED", "No case was metered in this run."),
        ([None], "NOT JUDGED", "1 case measured, with no limit or reference to judge them by."),
        ([PASS, None], "PASSED", "1 of 2 cases, 1 not judged"),
        ([PASS, UNKNOWN], "PASSED", "1 of 2 cases, 1 undecided (too noisy)"),
        ([UNKNOWN], "UNDECIDED", "0 of 1 case, 1 undecided (too noisy)"),
        ([Result(kind="xfail", reason="over budget")], "PASSED", "1 of 1 case, 1 of them expected"),
        (
            [Result(kind="fail", reason="more than a"), Result(kind="fail", reason="more than b")],
            "FAILED",
            "2 cases use more than their reference",
        ),
        (
            [Result(kind="fail", reason="over budget"), Result(kind="fail", reason="not judged")],
            "FAILED",
            "1 case is over budget, 1 failed as a test",
        ),
        ([Result(kind="fail", reason="of a later version")], "FAILED", "1 case of a later version"),
    ],
)
def test_the_result_and_its_reasons(results, word, sentence):
    found = of(results)
    assert (found.word, found.sentence[: len(sentence)]) == (word, sentence)


def test_a_fault_beside_the_cases_fails_and_is_told():
    found = of(
        [PASS],
        failures=["the run was cut short: 1 of its 2 metered tests did not run to their end"],
    )
    assert found.word == "FAILED"
    assert found.entries[0].note.startswith("the run was cut short")


def test_the_worst_is_one_that_was_let_pass_although_it_is_more(ci):
    cases = [each for each in ci.cases if each.name == "test_thumbnail"]
    (case,) = cases
    (made,) = [each for each in case.comparisons if each.reference == "stored"]
    for margin, estimate in ((0.03, 0.6), (0.05, 0.01)):
        passed = Result(kind="pass", reason="more than main" if estimate > margin else "")
        rule = msgspec.structs.replace(
            made, estimate=estimate, margin=margin, interval=None, judged=passed
        )
        cases.append(judged(msgspec.structs.replace(case, comparisons=[rule])))
    run = msgspec.structs.replace(ci, cases=cases[1:])
    assert digest(run_view(run)).worst == "worst +60.0 % of 3 % allowed"
