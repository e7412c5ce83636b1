"""The cases that need a look: grouped, so that no kind of reason hides another."""

from msgspec.structs import replace

from pytest_energybench.gates.results import judged
from pytest_energybench.report.build import run_view
from pytest_energybench.report.looks import LEAST_EACH, looks
from pytest_energybench.results.model import Case, Run
from tests.report.samples import MACHINE


def lost(number):
    errors = [f"dram:0 was lost after 0.{number:02d} s"]
    return judged(Case(nodeid=f"t.py::test_{number}", name="", outcome="error", errors=errors))


def test_cases_of_which_the_same_is_to_be_said_are_one_entry():
    view = run_view(Run(machine=MACHINE, cases=[lost(number) for number in range(100)]))
    (look,) = looks(view.looks)
    assert [len(entry.cases) for entry in look.entries] == [100]
    assert look.left_out == 0


def test_a_lost_counter_of_many_cases_hides_no_regression(big):
    cases = [lost(number) for number in range(1_500)]
    view = run_view(replace(big, cases=[*cases, *big.cases]))
    found = {look.word: look for look in looks(view.looks)}
    assert len(found["fail: not measured"].entries) == 1
    more = found["fail: more than main"]
    assert len(more.entries) >= LEAST_EACH
    assert len(more.entries) + more.left_out == more.number == 100
    assert all(entry.comparison.estimate for entry in more.entries)


def test_the_largest_increase_comes_first(big):
    more = looks(run_view(big).looks)[0]
    changes = [entry.case.changes["stored"].value for entry in more.entries]
    assert changes == sorted(changes, reverse=True)
    assert changes[0] > changes[-1]
