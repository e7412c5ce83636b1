"""The cases as comma-separated values, one row a case, plain numbers in J, s and fractions."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable

from pytest_energybench.base.text import sanitize
from pytest_energybench.report.build import run_view
from pytest_energybench.report.columns import fields
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


def render_csv(run: Run) -> str:
    """All cases; domains, parameters, metrics and counts follow as columns of their own."""
    cases = run_view(run).cases
    fixed = _WHAT | fields() | _ORIGIN
    domains = _names(case.source.energy_j for case in cases)
    params = _names(case.source.params for case in cases)
    metrics = _names(case.source.metrics for case in cases)
    units = _names(case.source.units for case in cases)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            *fixed,
            *(safe_cell(f"energy_j:{name}") for name in domains),
            *(safe_cell(f"param:{name}") for name in params),
            *(safe_cell(f"metric:{name}") for name in metrics),
            *(safe_cell(f"count:{name}") for name in units),
        ]
    )
    for case in cases:
        source = case.source
        writer.writerow(
            [
                *(safe_cell(of(case)) for of in fixed.values()),
                *(safe_cell(source.energy_j.get(name)) for name in domains),
                *(safe_cell(source.params.get(name)) for name in params),
                *(safe_cell(source.metrics.get(name)) for name in metrics),
                *(safe_cell(source.units.get(name)) for name in units),
            ]
        )
    return out.getvalue()


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
