"""One table of tools and figures, kept as JSON."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench_cases.tool_comparison.tools import Figure


class Row(msgspec.Struct, frozen=True):
    """One line.

    Attributes:
        n: how many processes, pairs or windows the figure comes from.
        figures: tool -> figure, or why there is none; a tool that doesn't do this is missing.
    """

    what: str
    unit: str
    n: int
    figures: dict[str, Figure]


class Table(msgspec.Struct):
    """One run.

    Attributes:
        seconds: how long loads, sleeps and traces were.
        busy_cores: cores that others kept busy when the run began: the load average.
        versions: tool -> version, in the order of the columns.
    """

    created: str
    cpu: str
    cores: int
    python: str
    seconds: float
    busy_cores: float
    versions: dict[str, str]
    rows: list[Row] = []

    @classmethod
    def read(cls, path: Path) -> Table:
        """Raises msgspec.DecodeError or OSError if it can't be read."""
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")


def cells(table: Table) -> list[list[str]]:
    """The header and the rows as text."""
    lines = [["", "unit", "n", *table.versions]]
    for row in table.rows:
        shown = [text(row.figures.get(tool)) for tool in table.versions]
        lines.append([row.what, row.unit, str(row.n), *shown])
    return lines


def text(figure: Figure | None) -> str:
    """Three digits; a dash for what a tool doesn't do, `fails` for what it couldn't do here."""
    if figure is None:
        return "–"
    if isinstance(figure, str):
        return "fails"
    if abs(figure) < 5e-4:
        return "0"
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def failures(table: Table) -> dict[tuple[str, str], list[str]]:
    """(tool, error) -> the rows in which it failed so."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in table.rows:
        for tool, figure in row.figures.items():
            if isinstance(figure, str):
                found.setdefault((tool, figure), []).append(row.what)
    return found
