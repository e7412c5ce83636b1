"""The report page: one file that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pytest_energybench import __version__
from pytest_energybench.base.text import sanitize
from pytest_energybench.report.attachments import Attachment, Headline, Table, embedded
from pytest_energybench.report.charts.forest import forests
from pytest_energybench.report.charts.plane import planes, series
from pytest_energybench.report.columns import columns
from pytest_energybench.report.detail import case_detail
from pytest_energybench.report.digest import Digest, Like, digest
from pytest_energybench.report.entries import MOST_NAMED, MOST_OF_EACH, shown_of_each
from pytest_energybench.report.text import parts_of_id
from pytest_energybench.report.view import GLYPHS, RunView
from pytest_energybench.results.atomic import write_atomically

_LONG_WORD = re.compile(r"([^\W_]{16})(?=[^\W_])")
"""A part of an id that is longer than this breaks all the same."""

MOST_ASIDE = 6
"""Cases that a line of what is less, new or missing names."""

PACKED_FROM = 500
"""Cases from which a page keeps the panels packed until a reader opens them: parsing them is a
third of opening a page of 2,000 cases (median of 7, Chromium), but a packed panel is not found by
the browser's own search."""


def render_html(view: RunView, attachments: Sequence[Attachment] = ()) -> str:
    """The page as a string.

    Args:
        attachments: files of figures, embedded in the order given; tables; a headline.
    """
    found = digest(view)
    entries, left_out = shown_of_each(found.entries, MOST_OF_EACH)
    drawn = forests(
        [e.cases[0] for e in entries if e.comparison and e.comparison.quantity == "energy"]
    )
    decided = {each.comparison for each in entries}
    headline = next((each for each in attachments if isinstance(each, Headline)), None)
    figures = [embedded(each) for each in attachments if isinstance(each, Path)]
    style, script = _asset("report.css"), _asset("report.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            view=view,
            digest=found,
            headline=headline,
            entries=entries,
            left_out=left_out,
            asides=_asides(view, found),
            most_named=MOST_NAMED,
            most_aside=MOST_ASIDE,
            lines={
                (row.case.key, row.shown): (plot, row)
                for plot in drawn
                for row in plot.rows
                if row.shown in decided
            },
            forests=forests(view.cases),
            planes=planes(view.cases),
            series=series(view.cases),
            columns=columns(view),
            detail=case_detail,
            packed=len(view.cases) >= PACKED_FROM,
            figures=figures,
            tables=[each for each in attachments if isinstance(each, Table)],
            run_errors=[
                sanitize(each) for each in view.source.errors if each not in view.source.failures
            ],
            glyphs=GLYPHS,
            style=style,
            script=script,
            style_hash=_csp_hash(style),
            script_hash=_csp_hash(script),
            version=__version__,
        )
    )


def write_html(
    view: RunView, path: str | os.PathLike[str], attachments: Sequence[Attachment] = ()
) -> None:
    """Write the page to `path`, whole or not at all; a page that was there is replaced."""
    page = render_html(view, attachments)
    write_atomically(path, page.encode("utf-8", "replace"), overwrite=True)


def _asides(view: RunView, found: Digest) -> list[tuple[str, Like]]:
    """What is more and fails nothing, less, new or missing, with a heading each."""
    heads = list(view.versus.values())[: 1 if "stored" in view.versus else None]
    reference = heads[0].removeprefix("vs ") if len(heads) == 1 else "reference"
    stored = view.source.compared_with.name if view.source.compared_with is not None else ""
    headings = {
        "more": f"More than {reference}, which does not fail this run",
        "higher": f"Higher than {reference}, 1 round",
        "less": f"Less than {reference}",
        "lower": f"Lower than {reference}, 1 round",
        "new": f"New, not in {stored}",
        "no longer metered": f"In {stored}, no longer metered",
        "not run": f"In {stored}, not run",
    }
    likes = {each.what: each for each in found.likes}
    return [(heading, likes[what]) for what, heading in headings.items() if what in likes]


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
    environment.filters["visible"] = sanitize
    environment.filters["seamed"] = _seamed
    return environment


def _shown(value: object) -> object:
    """Whatever the page prints, but its own style and script, is made visible once more here, so
    that no field is forgotten."""
    return sanitize(value) if type(value) is str else value


def _seamed(text: str) -> Markup:
    """An id that a narrow column breaks where one of its parts ends, and not inside a word."""
    parts = (str(escape(part)) for part in parts_of_id(sanitize(text)))
    return Markup("<wbr>".join(_LONG_WORD.sub(r"\1<wbr>", part) for part in parts))


@cache
def _asset(name: str) -> str:
    return files("pytest_energybench.report").joinpath("templates", name).read_text("utf-8")


def _csp_hash(text: str) -> str:
    """The source expression that allows exactly this inline element (CSP Level 3, 6.7.3)."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
