"""The cases as comma-separated values."""

import csv
import io

import pytest

from pytest_energybench.report.tables import render_csv
from pytest_energybench.results.model import Case, Run
from tests.report.samples import MACHINE, empty_run


def rows(run):
    return list(csv.DictReader(io.StringIO(render_csv(run))))


def test_ci(ci, golden):
    golden("ci.csv", render_csv(ci))


def test_figures_are_plain_numbers_in_base_units(paper):
    row = rows(paper)[1]
    assert float(row["energy_j"]) == pytest.approx(paper.cases[1].total_j)
    assert float(row["energy_j:cpu"]) == pytest.approx(paper.cases[1].energy_j["cpu"])
    assert float(row["metric:accuracy"]) == paper.cases[1].metrics["accuracy"]
    assert row["param:method"] == "steganographic"


def test_unknown_stays_empty():
    assert rows(Run(machine=MACHINE, cases=[Case(nodeid="a", name="a")]))[0]["energy_j"] == ""


def test_nothing_metered_is_a_header():
    assert len(render_csv(empty_run()).splitlines()) == 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_becomes_a_formula(start):
    text = f'{start}HYPERLINK("http://x")'
    case = Case(nodeid=text, name="a", params={text: text}, total_j=-0.0)
    run = Run(machine=MACHINE, cases=[case])
    row = rows(run)[0]
    shown = text.replace("\t", " ").replace("\r", " ")
    assert row["nodeid"] == f"'{shown}"
    assert row[f"param:{shown}"] == f"'{shown}"
    assert len(rows(run)) == 1


def test_a_negative_figure_stays_a_number(paper):
    assert float(rows(paper)[1]["group_change"]) < 0
