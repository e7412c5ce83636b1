"""Tables as files and for the page."""

import pytest

from pytest_energybench.experiment.paper.further_tables import savings_table
from pytest_energybench.experiment.paper.tables import (
    Column,
    PaperTable,
    csv_text,
    escape,
    markdown_text,
    page_table,
    paper_tables,
)


@pytest.fixture(scope="module", params=range(5))
def table(request, matrix):
    return (*paper_tables(matrix), savings_table(matrix))[request.param]


def test_golden_files(table, golden):
    golden(f"{table.stem}.csv", csv_text(table))
    golden(f"{table.stem}.md", markdown_text(table))


def test_the_page_s_table_is_whole(table):
    page = page_table(table)
    assert all(len(row) == len(page.header) == len(table.columns) for row in page.rows)
    assert page.note == table.note


def test_numbers_as_they_are_read():
    table = PaperTable(
        "t",
        "T",
        "",
        (Column("a", "a", 2), Column("d", "d", 2, signed=True)),
        ((1234.5, 0.25), (-0.25, -0.25), (None, -0.001), ("x|y", None)),
    )
    assert page_table(table).rows == [
        ["1,234.50", "+0.25"],
        ["−0.25", "−0.25"],
        ["–", "0.00"],
        ["x|y", "–"],
    ]
    assert csv_text(table).splitlines() == [
        "a,d", "1234.50,0.25", "-0.25,-0.25", ",0.00", "x|y,",
    ]  # fmt: skip
    assert "| x\\|y | – |" in markdown_text(table)


def test_a_mean_of_counts_keeps_the_digit_that_its_difference_is_made_of():
    table = PaperTable(
        "t", "T", "", (Column("a", "a"), Column("d", "d", signed=True)), ((18.5, -0.5), (18.0, 0.0))
    )
    assert page_table(table).rows == [["18.5", "−0.5"], ["18", "0"]]
    assert csv_text(table).splitlines()[1:] == ["18.5,-0.5", "18,0"]


def test_markup_means_nothing():
    assert escape("<b>*a*_c_") == "\\<b\\>\\*a\\*\\_c\\_"
