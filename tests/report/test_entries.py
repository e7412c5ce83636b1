"""What has to be decided: grouped, so that no kind of reason hides another."""

from msgspec.structs import replace

from pytest_energybench.base.flags import SKIPPED_BY_FIXTURE
from pytest_energybench.gates.accuracy import Score, judge_accuracy
from pytest_energybench.gates.comparisons import judge_budget
from pytest_energybench.gates.results import judged
from pytest_energybench.report.build import run_view
from pytest_energybench.report.entries import MOST_OF_EACH, entries, shown_of_each
from pytest_energybench.results.model import Case, Comparison, Result, Run
from tests.report.samples import MACHINE


def lost(number):
    errors = [f"dram:0 was lost after 0.{number:02d} s"]
    return judged(Case(nodeid=f"t.py::test_{number}", name="", outcome="error", errors=errors))


def test_cases_of_which_the_same_is_to_be_told_are_one_entry():
    (entry,) = entries(
        run_view(Run(machine=MACHINE, cases=[lost(number) for number in range(100)]))
    )
    assert len(entry.cases) == 100
    assert entry.note == "e.g. dram:0 was lost after 0.00 s"


def test_a_lost_counter_of_many_cases_hides_no_regression(big):
    cases = [lost(number) for number in range(1_500)]
    shown, left_out = shown_of_each(
        entries(run_view(replace(big, cases=[*cases, *big.cases]))), MOST_OF_EACH
    )
    assert [len(entry.cases) for entry in shown if entry.reason == "not measured"] == [1_500]
    more = [entry for entry in shown if entry.reason == "more than main"]
    assert len(more) == MOST_OF_EACH
    assert all(entry.comparison.estimate for entry in more)
    assert ("more than main", 90) in [(entry.reason, number) for entry, number in left_out]


def test_a_skipped_test_that_fails_the_session_is_told_once_whatever_its_name_holds():
    nodeid = "t.py::test_a[x: y]"
    case = judged(Case(nodeid=nodeid, name="", outcome="skipped", flags=[SKIPPED_BY_FIXTURE]))
    run = Run(machine=MACHINE, cases=[case], failures=[f"{nodeid}: {SKIPPED_BY_FIXTURE}"])
    found = [entry for entry in entries(run_view(run)) if SKIPPED_BY_FIXTURE in entry.note]
    assert [entry.kind for entry in found] == ["fail"]


def test_the_largest_increase_comes_first(big):
    changes = [entry.change for entry in entries(run_view(big)) if entry.figures]
    assert changes == sorted(changes, reverse=True)
    assert changes[0] > changes[-1]


def test_the_largest_loss_of_accuracy_comes_first_and_is_not_mixed_with_changes_of_energy():
    rules = [
        judge_accuracy(Score(0.9 - lost), Score(0.9), 0.01, name="plain")
        for lost in (0.02, 0.3, 0.05)
    ]
    alike = [
        replace(each, judged=replace(each.judged, reason="too noisy"))
        for each in (*rules, judge_budget(1.02, 1.0), judge_budget(0.8, 1.0))
    ]
    alike = [replace(each, judged=replace(each.judged, kind="fail")) for each in alike]
    case = judged(
        Case(nodeid="t", name="t", metrics={"accuracy": 0.8}, total_j=1.0, comparisons=alike)
    )
    told = [entry.figures for entry in entries(run_view(Run(machine=MACHINE, cases=[case])))]
    changes = [line.split("  ")[1] for line in told]
    assert changes == ["+2.0 %", "−20.0 %", "−30.00 points", "−5.00 points", "−2.00 points"]


def test_what_follows_the_figures_is_told_whatever_the_reference_is_called():
    name = "make; make test"
    made = Comparison(
        reference="group",
        name=name,
        finding="unclear",
        estimate=0.5,
        limit=1.0,
        reference_j=[1.0],
        judged=Result(
            kind="unknown",
            reason="machine busy",
            text=f"energy 1.50 J is above {name}'s 1.00 J: +50.0 %; caution: load of {name}",
        ),
    )
    case = judged(Case(nodeid="make", name="make", total_j=1.5, comparisons=[made]))
    (entry,) = entries(run_view(Run(machine=MACHINE, cases=[case])))
    assert entry.figures
    assert entry.note == f"against {name}; caution: load of {name}"


def test_each_difference_between_two_machines_is_told_once():
    both = ["cores is 2 here and 8 there", "gpus is none here and H there"]
    refused = Result(kind="fail", reason="not comparable", text="; ".join(both))
    stored = Comparison(reference="stored", name="main", finding="unclear", judged=refused)
    case = judged(Case(nodeid="f.py::t", name="t", total_j=1.0, comparisons=[stored]))
    failures = [f"not comparable with main: {each}" for each in both]
    run = Run(machine=MACHINE, cases=[case], failures=failures)
    assert [each.label for each in entries(run_view(run))] == ["t"]
    assert len(entries(run_view(replace(run, cases=[])))) == 2
