"""Runs side by side."""

import csv
import io

from pytest_energybench.gates.stored import compare_stored
from pytest_energybench.report.tables import compared_csv, compared_rows
from tests.results.samples import make_case, make_run


def accuracy(value):
    return {"metrics": {"accuracy": value}}


FIRST = make_run(make_case("test_a", 10.0, **accuracy(0.9)), make_case("test_b", 5.0))
B_VS_A = "B vs A (time ratio)"
SECOND = make_run(make_case("test_c", 1.0), make_case("test_a", 11.0, **accuracy(0.88)))


def rows(*others):
    judged = [compare_stored(other, FIRST, name="A")[0] for other in others]
    head, found = compared_rows("ABC"[: 1 + len(others)], [FIRST, *judged])
    return [dict(zip(head, row, strict=True)) for row in found]


def test_every_case_is_a_row_and_every_run_has_its_columns_in_one_unit():
    first, second, third = rows(SECOND)
    assert first == {
        "case": "test_a",
        "A": "~10.0 J",
        "A accuracy": "0.900",
        "B": "~11.0 J",
        B_VS_A: "+10.0 % higher",
        "B accuracy": "0.880",
    }
    assert (second["A"], second["B"]) == ("~5.0 J", "absent")
    assert (third["A"], third["B"], third[B_VS_A]) == ("absent", "~1.0 J", "–")


def test_what_cannot_be_compared_has_the_reason_in_place_of_a_change():
    lost = make_run(make_case("test_a", 11.0), make_case("test_b", 1.0, outcome="error"))
    assert rows(lost)[1][B_VS_A] == "not comparable"


def test_three_runs_are_each_compared_with_the_first():
    row = rows(SECOND, make_run(make_case("test_a", 20.0)))[0]
    assert (row[B_VS_A], row["C vs A (time ratio)"]) == ("+10.0 % higher", "+100.0 % higher")


def test_as_csv_every_run_has_the_same_plain_figures():
    judged, _ = compare_stored(SECOND, FIRST, name="A")
    first, second, _ = csv.DictReader(io.StringIO(compared_csv("AB", [FIRST, judged])))
    assert (first["A:energy_j"], first["B:energy_j"], first["B:accuracy"]) == (
        "10.0",
        "11.0",
        "0.88",
    )
    assert float(first["B:stored_change"]) == 0.1
    assert (second["A:energy_j"], second["B:energy_j"]) == ("5.0", "")
