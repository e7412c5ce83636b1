"""Runs side by side, the first as what the others are compared with."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates.quantities import ESTIMATE_MARK
from pytest_energybench.report.build import run_view
from pytest_energybench.report.columns import columns, fields
from pytest_energybench.report.table_csv import safe_cell
from pytest_energybench.report.text import labels
from pytest_energybench.report.view import CaseView
from pytest_energybench.results.model import Run, Scalar

_ABSENT = "absent"
_SHOWN = ("energy", "unit", "stored", "accuracy")


def compared_rows(names: Sequence[str], runs: Sequence[Run]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table: every case of any run, with energy, change and accuracy in each.

    Args:
        names: what the runs are called.
        runs: the later ones were held against the first, as a stored run.
    """
    views = [run_view(run) for run in runs]
    everything = [case for view in views for case in view.cases]  # all in one unit
    texts: list[tuple[str, dict[str, str]]] = []
    begin = 0
    for name, view in zip(names, views, strict=True):
        ours = slice(begin, begin := begin + len(view.cases))
        for column in columns(view, everything):
            if column.key not in _SHOWN:
                continue
            head = {"energy": name, "stored": f"{name} {column.head}"}.get(
                column.key, f"{name} {column.title.lower()}"
            )
            marks = [ESTIMATE_MARK * each for each in column.estimated]
            parts = [marks, column.figures, column.bounds, column.words]
            filled = [part or [""] * len(everything) for part in parts]
            lines = [
                mark + " ".join(filter(None, words))
                for mark, *words in zip(*(part[ours] for part in filled), strict=True)
            ]
            if column.key == "stored":
                lines = list(map(_or_why, view.cases, lines))
            nodeids = [case.source.nodeid for case in view.cases]
            texts.append((sanitize(head), dict(zip(nodeids, lines, strict=True))))
    known = _named(everything)
    rows = [
        [label, *(cells.get(nodeid, _ABSENT) for _, cells in texts)]
        for nodeid, label in known.items()
    ]
    return ["case", *(head for head, _ in texts)], rows


def _or_why(case: CaseView, text: str) -> str:
    """The change, with why it is unclear, or why there is none."""
    stored = next((each for each in case.source.comparisons if each.reference == "stored"), None)
    if stored is None or stored.judged is None or stored.finding != "unclear":
        return text
    reason = sanitize(stored.judged.reason)
    return reason if stored.estimate is None else f"{text}: {reason}"


def _named(cases: Sequence[CaseView]) -> dict[str, str]:
    """Node id -> label, each once, in the runs' order."""
    names = {case.source.nodeid: case.source.name for case in reversed(cases)}
    nodeids = list(dict.fromkeys(case.source.nodeid for case in cases))
    return dict(zip(nodeids, labels(nodeids, [names[each] for each in nodeids]), strict=True))


def compared_csv(names: Sequence[str], runs: Sequence[Run]) -> str:
    """The same as comma-separated values, with all columns."""
    found = fields()
    by_run = [{case.source.nodeid: case for case in run_view(run).cases} for run in runs]
    nodeids = dict.fromkeys(nodeid for cases in by_run for nodeid in cases)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["nodeid", *(safe_cell(f"{name}:{field}") for name in names for field in found)]
    )
    for nodeid in nodeids:
        cells = (_value(cases.get(nodeid), of) for cases in by_run for of in found.values())
        writer.writerow([safe_cell(nodeid), *map(safe_cell, cells)])
    return out.getvalue()


def _value(case: CaseView | None, of: Callable[[CaseView], Scalar]) -> Scalar:
    return None if case is None else of(case)
