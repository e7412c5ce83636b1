"""A table of the paper as comma-separated values, as Markdown, and for the report page."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from pytest_energybench.base.text import sanitize
from pytest_energybench.experiment.paper.tables import Column, PaperTable, Value
from pytest_energybench.gates.quantities import MINUS, UNKNOWN
from pytest_energybench.report.attachments import Table

_MARKUP = re.compile(r"([\\`*_{}\[\]#|~<>&$])")


def csv_text(table: PaperTable) -> str:
    """Plain numbers under the columns' names; an empty cell is not known."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    for row in table.rows:
        writer.writerow(
            [_exact(value, column) for value, column in zip(row, table.columns, strict=True)]
        )
    return out.getvalue()


def markdown_text(table: PaperTable) -> str:
    """A page of its own: title, table, note."""
    plain = page_table(table)
    lines = [
        f"# {escape(table.title)}",
        "",
        *markdown_table(plain.header, plain.rows),
        "",
        escape(table.note),
    ]
    return "\n".join(lines) + "\n"


def page_table(table: PaperTable) -> Table:
    """As the report page takes it in."""
    return Table(
        table.title,
        [column.head for column in table.columns],
        [
            [_shown(value, column) for value, column in zip(row, table.columns, strict=True)]
            for row in table.rows
        ],
        table.note,
    )


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose first column is text and whose others are aligned to the right."""
    rules = [":--", *("--:" for _ in header[1:])]
    return [
        f"| {' | '.join(cells)} |"
        for cells in (
            [escape(head) for head in header],
            rules,
            *([escape(cell) for cell in row] for row in rows),
        )
    ]


def escape(text: str) -> str:
    """Text whose characters mean nothing to Markdown or HTML."""
    return _MARKUP.sub(r"\\\1", sanitize(text))


def _exact(value: Value, column: Column) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = f"{value:.{_decimals(value, column)}f}"
    return text if text.strip("-0.") else text.lstrip("-")


def _shown(value: Value, column: Column) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return sanitize(value)
    decimals = _decimals(value, column)
    text = f"{value:+,.{decimals}f}" if column.signed else f"{value:,.{decimals}f}"
    zero = not text.strip("+-0.,")
    return text.lstrip("+-") if zero else text.replace("-", MINUS)


def _decimals(value: float, column: Column) -> int:
    """A digit more for the mean of counts over seeds that lies between two of them."""
    return column.decimals or int(round(value, 1) != round(value))
