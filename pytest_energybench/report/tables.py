"""Cases as tables: of one run as comma-separated values, one row a case, plain numbers in J, s and
fractions; and of several runs side by side, the first as what the others are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates.quantities import ESTIMATE_MARK
from pytest_energybench.report.build import run_view
from pytest_energybench.report.columns import columns, fields
from pytest_energybench.report.text import labels, separated
from pytest_energybench.report.view import CaseView
from pytest_energybench.results.model import Run, Scalar

_WHAT: dict[str, Callable[[CaseView], Scalar]] = {
    "nodeid": lambda case: case.source.nodeid,
    "group": lambda case: case.source.group,
    "outcome": lambda case: case.source.outcome,
    "result": lambda case: case.source.result.kind if case.source.result else None,
    "reason": lambda case: case.source.result.reason if case.source.result else None,
}
_ORIGIN: dict[str, Callable[[CaseView], Scalar]] = {
    "search_j": lambda case: case.source.search.total_j if case.source.search else None,
    "host": lambda case: case.source.host,
    "text": lambda case: case.reason,
}

_ABSENT = "absent"
_SHOWN = ("energy", "unit", "stored", "accuracy")


def render_csv(run: Run) -> str:
    """All cases; domains, parameters, metrics and counts follow as columns of their own."""
    cases = run_view(run).cases
    fixed = _WHAT | fields() | _ORIGIN
    domains = _names(case.source.energy_j for case in cases)
    params = _names(case.source.params for case in cases)
    metrics = _names(case.source.metrics for case in cases)
    units = _names(case.source.units for case in cases)
    rows: list[list[Scalar]] = [
        [
            *fixed,
            *(f"energy_j:{name}" for name in domains),
            *(f"param:{name}" for name in params),
            *(f"metric:{name}" for name in metrics),
            *(f"count:{name}" for name in units),
        ]
    ]
    for case in cases:
        source = case.source
        rows.append(
            [
                *(of(case) for of in fixed.values()),
                *map(source.energy_j.get, domains),
                *map(source.params.get, params),
                *map(source.metrics.get, metrics),
                *map(source.units.get, units),
            ]
        )
    return separated(map(safe_cell, row) for row in rows)


def _names(mappings: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def safe_cell(value: Scalar) -> str:
    """A cell; text that a spreadsheet would run as a formula is marked as text, and characters that
    a terminal would obey are shown by number.

    Source: OWASP, CSV injection: cells beginning with = + - @, tab or carriage return.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        text = sanitize(value)
        return f"'{text}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else text
    return repr(round(value, 12)) if isinstance(value, float) else str(value)


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
    rows: list[list[Scalar]] = [
        ["nodeid", *(f"{name}:{field}" for name in names for field in found)]
    ]
    for nodeid in nodeids:
        cells = (_value(cases.get(nodeid), of) for cases in by_run for of in found.values())
        rows.append([nodeid, *cells])
    return separated(map(safe_cell, row) for row in rows)


def _value(case: CaseView | None, of: Callable[[CaseView], Scalar]) -> Scalar:
    return None if case is None else of(case)
