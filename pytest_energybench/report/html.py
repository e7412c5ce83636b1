"""The report page: one file that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from pytest_energybench import __version__
from pytest_energybench.report.attachments import Table, embedded
from pytest_energybench.report.build import run_view
from pytest_energybench.report.charts.forest import forests
from pytest_energybench.report.charts.measures import LINE_HEIGHT, measures
from pytest_energybench.report.charts.plane import planes
from pytest_energybench.report.charts.series import series
from pytest_energybench.report.columns import columns
from pytest_energybench.report.detail import case_detail
from pytest_energybench.report.text import visible
from pytest_energybench.report.view import GLYPHS
from pytest_energybench.results.atomic import write_atomically
from pytest_energybench.results.model import Run

PACKED_FROM = 500
"""Cases from which a page keeps the panels packed until a reader opens them: parsing them is a
third of opening a page of 2,000 cases (median of 7, Chromium), but a packed panel is not found by
the browser's own search."""


def render_html(run: Run, *, figures: Sequence[Path] = (), tables: Sequence[Table] = ()) -> str:
    """The page as a string.

    Args:
        figures: image files, embedded in the order given.
        tables: further tables of plain text.
    """
    view = run_view(run)
    style, script = _asset("report.css"), _asset("report.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            view=view,
            forests=forests(view.cases),
            planes=planes(view.cases),
            measures=measures(view.cases),
            line_height=LINE_HEIGHT,
            series=series(view.cases),
            columns=columns(view),
            detail=case_detail,
            packed=len(view.cases) >= PACKED_FROM,
            figures=[embedded(path) for path in figures],
            tables=tables,
            run_errors=[visible(error) for error in run.errors],
            glyphs=GLYPHS,
            style=style,
            script=script,
            style_hash=_csp_hash(style),
            script_hash=_csp_hash(script),
            version=__version__,
        )
    )


def write_html(
    run: Run,
    path: str | os.PathLike[str],
    *,
    figures: Sequence[Path] = (),
    tables: Sequence[Table] = (),
) -> None:
    """Write the page to `path`, whole or not at all; a page that was there is replaced."""
    page = render_html(run, figures=figures, tables=tables)
    write_atomically(path, page.encode("utf-8", "replace"), overwrite=True)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pytest_energybench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["visible"] = visible
    return environment


def _shown(value: object) -> object:
    """Whatever the page prints, but its own style and script, is made visible once more here, so
    that no field is forgotten."""
    return visible(value) if type(value) is str else value


@cache
def _asset(name: str) -> str:
    return files("pytest_energybench.report").joinpath("templates", name).read_text("utf-8")


def _csp_hash(text: str) -> str:
    """The source expression that allows exactly this inline element (CSP Level 3, 6.7.3)."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
