"""Figures as files: SVG whose bytes depend on the run alone, and PNG for what can't show SVG."""

from __future__ import annotations

import importlib.util
import io
from typing import Any

from pytest_energybench.experiment.paper.figures import PaperFigure
from pytest_energybench.experiment.paper.matrix import Matrix

INSTALL = "pip install 'pytest-energybench[bench]'"

_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "pytest-energybench",
    "svg.fonttype": "none",
    "hatch.linewidth": 0.5,
    "font.family": "sans-serif",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
"""Text stays text, which is small and can be searched; ids come from a fixed salt."""

_DOTS_PER_INCH = 130


def can_draw() -> bool:
    """Whether matplotlib is there; it is not imported to find out."""
    return importlib.util.find_spec("matplotlib") is not None


def drawn(figure: PaperFigure, matrix: Matrix) -> dict[str, bytes] | None:
    """Ending -> content of the figure's files; None if the run has nothing to show in it."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        drawing = figure.draw(matrix)
        if drawing is None:
            return None
        svg, png = io.BytesIO(), io.BytesIO()
        drawing.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        drawing.set_layout_engine("none")  # laid out once, for both: it is half of drawing
        drawing.savefig(png, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return {".svg": svg.getvalue(), ".png": png.getvalue()}
