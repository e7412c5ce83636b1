"""Runs side by side."""

import pytest

from pytest_energybench.gates.stored import compare_stored
from pytest_energybench.results.compare import compare_runs
from tests.results.samples import make_case, make_run


def accuracy(value):
    return {"metrics": {"accuracy": value}}


FIRST = make_run(make_case("test_a", 10.0, **accuracy(0.9)), make_case("test_b", 5.0))
SECOND = make_run(make_case("test_c", 1.0), make_case("test_a", 11.0, **accuracy(0.88)))


def table():
    second, _ = compare_stored(SECOND, FIRST, name="A")
    return compare_runs(["A", "B"], [FIRST, second])


def test_every_case_is_a_row_and_every_run_a_cell():
    assert table().labels == ("A", "B")
    there = [(row.name, [cell is not None for cell in row.cells]) for row in table().rows]
    assert there == [
        ("test_a", [True, True]),
        ("test_b", [True, False]),
        ("test_c", [False, True]),
    ]


def test_a_cell_has_the_figures_and_the_change_to_the_first_run():
    first, second = table().rows[0].cells
    assert (first.total_j, first.change, first.verdict) == (10.0, None, None)
    assert (second.total_j, second.rounds, second.duration_s) == (11.0, 1, 1.1)
    assert second.change == pytest.approx(0.1)
    assert second.accuracy_change == pytest.approx(-0.02)
    assert second.verdict.kind == "regressed"
    assert second.provenance == {"cpu": "estimated", "ram": "estimated"}


def test_what_cannot_be_compared_has_no_change():
    new = table().rows[2].cells[1]
    assert (new.change, new.accuracy_change, new.verdict) == (None, None, None)
    zero = make_run(make_case("test_a", 0.0))
    lost = make_run(make_case("test_a", 1.0, total_j=None))
    assert compare_runs("AB", [zero, SECOND]).rows[0].cells[1].change is None
    assert compare_runs("AB", [FIRST, lost]).rows[0].cells[1].change is None


def test_three_runs_are_each_compared_with_the_first():
    third = make_run(make_case("test_a", 20.0))
    row = compare_runs("ABC", [FIRST, SECOND, third]).rows[0]
    assert [cell.change for cell in row.cells] == [None, pytest.approx(0.1), pytest.approx(1.0)]
