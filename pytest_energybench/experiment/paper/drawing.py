"""Figures as files: SVG whose bytes depend on the run alone, and PNG for what can't show SVG."""

from __future__ import annotations

import importlib.util
import io
from typing import Any

from pytest_energybench.experiment.paper.canvas import FONT, WIDTHS_MM
from pytest_energybench.experiment.paper.figures import PaperFigure
from pytest_energybench.experiment.paper.matrix import Matrix

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


def can_draw() -> bool:
    """Whether matplotlib is there; it is not imported to find out."""
    return importlib.util.find_spec("matplotlib") is not None


ENDINGS = tuple(
    f"{'' if width == WIDTHS_MM[0] else f'_{width}mm'}{kind}"
    for width in WIDTHS_MM
    for kind in (".svg", ".png")
)
"""What follows the stem in the names of a figure's files: the widest first, without its width."""


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
