"""`energybench compare A B [C...]`: run files side by side, the first as the reference."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_energybench.results.compare import Cell, Table

FORMATS = {"terminal": "simple", "markdown": "github"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="names of stored runs, or run files; two or more"
    )
    parser.add_argument(
        "--format", choices=(*FORMATS, "csv"), default="terminal", help="default: terminal"
    )
    parser.add_argument(
        "--margin", metavar="PERCENT", default="3 %", help="increase that is tolerated (3 %%)"
    )
    parser.add_argument("--storage", metavar="DIR", default=".energy", help="default: .energy")
    parser.add_argument(
        "--fail-on", metavar="KINDS", default="", help="exit with 1 on these, e.g. regressed"
    )
    parser.add_argument(
        "--allow-mismatch", action="store_true", help="compare unlike machines, meters or settings"
    )


def run(options: argparse.Namespace) -> int:
    """0, or 1 where something was found that `--fail-on` names."""
    from pytest_energybench.cli import CommandError
    from pytest_energybench.gates.fail_on import FailOnError, failures, parse_fail_on
    from pytest_energybench.gates.quantity import parse_fraction
    from pytest_energybench.gates.stored import compare_stored
    from pytest_energybench.report.text import visible
    from pytest_energybench.results.compare import compare_runs
    from pytest_energybench.results.storage import Storage

    if len(options.runs) < 2:
        raise CommandError("give two runs or more; the first is what the others are compared with")
    try:
        kinds = parse_fail_on(options.fail_on)
    except FailOnError as error:
        raise CommandError(f"--fail-on: {error}") from None
    storage = Storage(options.storage)
    reference, *others = [storage.load(name) for name in options.runs]
    judged, notes, failed = [reference], [], []
    for label, other in zip(options.runs[1:], others, strict=True):
        compared, summary = compare_stored(
            other,
            reference,
            name=options.runs[0],
            margin=parse_fraction(options.margin),
            allow_mismatch=options.allow_mismatch,
        )
        judged.append(compared)
        failed += failures(compared, summary, kinds)
        if summary.differences:
            notes.append(f"{label}: not comparable: {'; '.join(summary.differences)}")
    table = compare_runs(options.runs, judged)
    if options.format == "csv":
        print(_csv(table), end="")
    else:
        print(_text(table, FORMATS[options.format]))
        for note in notes:
            print(visible(note))
    for line in failed:
        print(visible(line))
    return 1 if failed else 0


def _text(table: Table, form: str) -> str:
    from tabulate import tabulate

    from pytest_energybench.report.text import visible

    header = ["case", *map(visible, table.labels)]
    rows = [[visible(row.name), *(_cell(cell) for cell in row.cells)] for row in table.rows]
    return tabulate(rows, header, tablefmt=form, disable_numparse=True)


def _cell(cell: Cell | None) -> str:
    from pytest_energybench.gates.quantity import format_change, format_energy, format_points

    if cell is None:
        return "-"
    estimated = "~" if "estimated" in cell.provenance.values() else ""
    words = [f"{estimated}{format_energy(cell.total_j)}" if cell.total_j is not None else "unknown"]
    if cell.change is not None:
        words.append(f"({format_change(cell.change)})")
    if cell.accuracy_change:
        words.append(f"accuracy {format_points(cell.accuracy_change)}")
    if cell.verdict is not None:
        words.append(cell.verdict.kind)
    return " ".join(words)


def _csv(table: Table) -> str:
    from pytest_energybench.report.table_csv import safe_cell

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    fields = ("energy_j", "duration_s", "accuracy", "rounds", "change", "verdict")
    heads = [f"{label}:{name}" for label in table.labels for name in fields]
    writer.writerow(["nodeid", *map(safe_cell, heads)])
    for row in table.rows:
        writer.writerow([safe_cell(row.nodeid), *_values(row.cells)])
    return out.getvalue()


def _values(cells: Sequence[Cell | None]) -> Iterator[object]:
    for cell in cells:
        if cell is None:
            yield from ("",) * 6
            continue
        yield from (
            "" if value is None else value
            for value in (
                cell.total_j,
                cell.duration_s,
                cell.accuracy,
                cell.rounds,
                cell.change,
                cell.verdict.kind if cell.verdict else None,
            )
        )
