"""The cases as comma-separated values, one row a case, plain numbers in J, s and fractions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from pytest_energybench.report import figures
from pytest_energybench.report.build import run_view
from pytest_energybench.report.text import visible
from pytest_energybench.report.view import CaseView
from pytest_energybench.results.model import Run, Scalar

_FIXED = (
    "nodeid",
    "group",
    "outcome",
    "verdict",
    "energy_j",
    "uncertainty_j",
    "facility_j",
    "duration_s",
    "delta",
    "delta_low",
    "delta_high",
    "rounds",
    "provenance",
    "search_j",
    "host",
    "reason",
)


def render_csv(run: Run) -> str:
    """All cases; domains, parameters and metrics follow as columns of their own."""
    cases = run_view(run).cases
    domains = _names(case.source.energy_j for case in cases)
    params = _names(case.source.params for case in cases)
    metrics = _names(case.source.metrics for case in cases)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            *_FIXED,
            *(safe_cell(f"energy_j:{name}") for name in domains),
            *(safe_cell(f"param:{name}") for name in params),
            *(safe_cell(f"metric:{name}") for name in metrics),
        ]
    )
    for case in cases:
        source = case.source
        writer.writerow(
            [
                *map(safe_cell, _fixed(case)),
                *(safe_cell(source.energy_j.get(name)) for name in domains),
                *(safe_cell(source.params.get(name)) for name in params),
                *(safe_cell(source.metrics.get(name)) for name in metrics),
            ]
        )
    return out.getvalue()


def _fixed(case: CaseView) -> list[Scalar]:
    source = case.source
    low, high = case.interval or (None, None)
    return [
        source.nodeid,
        source.group,
        source.outcome,
        case.kind,
        figures.joules(source),
        case.uncertainty,
        source.facility_j,
        source.duration_s,
        case.delta.value,
        low,
        high,
        len(source.rounds),
        case.provenance,
        source.search.total_j if source.search is not None else None,
        source.host,
        case.reason,
    ]


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
        text = visible(value)
        return f"'{text}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else text
    return repr(round(value, 12)) if isinstance(value, float) else str(value)
