"""The result of a run, its reasons and its scope in words."""

import pytest
from msgspec.structs import replace

from pytest_energybench.report.build import run_view
from pytest_energybench.report.gate import gate
from pytest_energybench.results.model import Case, Result, Run
from tests.report.samples import MACHINE, STORED, ci_run, passing_run


def of(*results, **fields):
    cases = [
        Case(nodeid=f"t.py::t{number}", name="", total_j=1.0, result=result)
        for number, result in enumerate(results)
    ]
    return gate(run_view(Run(machine=MACHINE, cases=cases, **fields)))


PASS, UNKNOWN = Result(kind="pass"), Result(kind="unknown", reason="too noisy")


@pytest.mark.parametrize(
    ("results", "word", "sentence"),
    [
        ([], "NOT JUDGED", "No case was metered in this run."),
        ([None], "NOT JUDGED", "1 case measured, and nothing to hold them against."),
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
    found = of(*results)
    assert (found.word, found.sentence[: len(sentence)]) == (word, sentence)


def test_a_fault_beside_the_cases_fails_and_is_told():
    found = of(PASS, failures=["the run was cut short: 1 of its 2 metered tests have no figures"])
    assert found.word == "FAILED"
    assert found.faults[0].startswith("the run was cut short")


def test_another_machine_is_told_where_it_is_compared_all_the_same():
    stored = replace(STORED, differences=["cores is 2 here and 8 there"])
    found = gate(run_view(replace(passing_run(), compared_with=stored)))
    assert "cores is 2 here and 8 there" in found.scope
    assert "same machine" not in found.scope


def test_a_busy_machine_is_told_with_its_rounds():
    run = ci_run()
    busy = "foreign load: other processes kept 1.6 of 2 cores busy"
    case = run.cases[0]
    rounds = [replace(each, flags=[busy]) for each in case.rounds[:2]]
    cases = [replace(case, rounds=[*rounds, *case.rounds[2:]]), *run.cases[1:]]
    assert "machine busy in 2 of 40 rounds" in gate(run_view(replace(run, cases=cases))).meters
    assert "machine quiet" in gate(run_view(passing_run())).meters
