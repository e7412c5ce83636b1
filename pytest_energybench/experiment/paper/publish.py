"""Everything of the paper that lies beside a report: `tables/`, `figures/` and `claims.md`.

The bytes of an SVG depend on the run alone; a PNG is for what can't show SVG.
"""

from __future__ import annotations

import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_energybench.experiment.paper.canvas import FONT, WIDTHS_MM
from pytest_energybench.experiment.paper.claims import claims
from pytest_energybench.experiment.paper.claims_page import claims_markdown, claims_table, headline
from pytest_energybench.experiment.paper.figures import PAPER_FIGURES, PaperFigure
from pytest_energybench.experiment.paper.further_tables import savings_table, view_table
from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.tables import (
    csv_text,
    markdown_text,
    page_table,
    paper_tables,
)
from pytest_energybench.experiment.rules import PAPER_METHODS
from pytest_energybench.report.attachments import Headline, Table
from pytest_energybench.results.atomic import write_atomically
from pytest_energybench.results.model import Run

INSTALL = "pip install 'pytest-energybench[bench]'"

_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "pytest-energybench",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": FONT,
    "axes.linewidth": 0.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
"""Text stays text, which is small and can be searched; ids come from a fixed salt."""

_DOTS_PER_INCH = 300

ENDINGS = tuple(
    f"{'' if width == WIDTHS_MM[0] else f'_{width}mm'}{kind}"
    for width in WIDTHS_MM
    for kind in (".svg", ".png")
)
"""What follows the stem in the names of a figure's files: the widest first, without its width."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was written.

    Attributes:
        figures: the SVG files, in the paper's order.
        tables: for the report's page.
        headline: what the page opens with.
        left_out: a sentence for each figure that is not there.
    """

    figures: tuple[Path, ...] = ()
    tables: tuple[Table, ...] = ()
    left_out: tuple[str, ...] = ()
    headline: Headline | None = None


def is_the_papers(run: Run) -> bool:
    """Whether there are cases of the paper's models with its methods, not only such parameters."""
    known = {model.name for model in reference().models}
    return any(model in known and method in PAPER_METHODS for model, method in Matrix.of(run).cases)


def publish(run: Run, folder: Path) -> Published:
    """Write it into `folder`; a run without the paper's cases leaves the folder alone.

    A figure of an earlier run that this one can't draw is removed.

    Raises:
        WriteError: a file can't be written.
        OSError: an old figure can't be removed.
    """
    matrix = Matrix.of(run)
    if not matrix.cases:
        return Published()
    views, all_claims = view_table(matrix), claims(matrix)
    tables = (savings_table(matrix), *paper_tables(matrix), *([views] if views.rows else []))
    if not views.rows:
        for ending in (".csv", ".md"):
            (folder / "tables" / f"{views.stem}{ending}").unlink(missing_ok=True)
    for table in tables:
        _write(folder / "tables" / f"{table.stem}.csv", csv_text(table))
        _write(folder / "tables" / f"{table.stem}.md", markdown_text(table))
    _write(folder / "claims.md", claims_markdown(matrix, all_claims))
    figures, left_out = _figures(matrix, folder / "figures")
    pages = [claims_table(matrix, all_claims), *map(page_table, tables)]
    if left_out:
        pages.append(Table("Figures left out", ["figure"], [[line] for line in left_out]))
    return Published(figures, tuple(pages), left_out, headline(matrix, pages[0].title))


def _figures(matrix: Matrix, folder: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    if not can_draw():
        for figure in PAPER_FIGURES:
            _remove(figure, folder)
        return (), (f"Figures 1 to 6 are not drawn: matplotlib is missing ({INSTALL})",)
    made, left_out = [], []
    for number, figure in enumerate(PAPER_FIGURES, 1):
        files = drawn(figure, matrix)
        if files is None:
            _remove(figure, folder)
            left_out.append(f"Figure {number} is left out: it needs {figure.needs}")
            continue
        for ending, content in files.items():
            write_atomically(folder / f"{figure.stem}{ending}", content, overwrite=True)
        made.append(folder / f"{figure.stem}.svg")
    return tuple(made), tuple(left_out)


def _remove(figure: PaperFigure, folder: Path) -> None:
    for ending in ENDINGS:
        (folder / f"{figure.stem}{ending}").unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    write_atomically(path, text.encode("utf-8"), overwrite=True)


def can_draw() -> bool:
    """Whether matplotlib is there; it is not imported to find out."""
    return importlib.util.find_spec("matplotlib") is not None


def drawn(figure: PaperFigure, matrix: Matrix) -> dict[str, bytes] | None:
    """Ending -> content of the figure's files; None if the run has nothing to show in it."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        contents = []
        for width in WIDTHS_MM:
            drawing = figure.draw(matrix, width)
            if drawing is None:
                return None
            svg, png = io.BytesIO(), io.BytesIO()
            drawing.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
            drawing.savefig(png, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
            contents += [svg.getvalue(), png.getvalue()]
    return dict(zip(ENDINGS, contents, strict=True))
