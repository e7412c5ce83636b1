"""The paper of a figure: its width in print, panels, legend and caption, and the looks and names of
models and methods.

Colours are Okabe and Ito's ("Color Universal Design", 2008), which stay apart in every kind of
colour blindness; markers tell the same in grey print.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_energybench.experiment.paper.claim import scope
from pytest_energybench.experiment.paper.matrix import Matrix, Range
from pytest_energybench.report.text import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

WIDTHS_MM = (180, 88)
"""Two columns of a journal's page, and one."""

FONT = 8
"""Points; smallest print is two less."""

SEARCH = "#7f7f7f"
"""Colour of what a search adds."""

_MM = 1 / 25.4
_SMALL = FONT - 2
_LETTER = 0.5 * _SMALL / 72
"""Inches that a letter of the small print takes, about."""

INK = "#1a1a1a"
GRID = "#d9d9d9"


def panels(
    count: int, width_mm: float, columns: int, height_mm: float
) -> tuple[Drawing, list[Axes]]:
    """A drawing with `count` panels, `columns` beside each other, each of this height."""
    from matplotlib.figure import Figure as Canvas

    across = min(columns, count)
    down = math.ceil(count / across)
    drawing = Canvas(figsize=(width_mm * _MM, height_mm * down * _MM))
    axes: list[Axes] = list(drawing.subplots(down, across, squeeze=False).flat)
    for each in axes[count:]:
        each.remove()
    for each in axes[:count]:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=_SMALL)
        each.grid(color=GRID, lw=0.5)
        each.set_axisbelow(True)
    return drawing, axes[:count]


def finished(drawing: Drawing, handles: Mapping[str, Any], matrix: Matrix, *notes: str) -> Drawing:
    """Put the legend above and the caption below, and make room for both."""
    width, height = drawing.get_size_inches()
    words, letters = " ".join((*notes, caption(matrix))), int(width / _LETTER * 0.93)
    text = textwrap.fill(words, letters, break_on_hyphens=False)
    foot = (text.count("\n") + 1) * 1.3 * _SMALL / 72 + 0.05
    columns = _columns(list(handles), width)
    head = math.ceil(len(handles) / columns) * 1.6 * _SMALL / 72 + 0.1
    whole = height + foot + head
    drawing.set_size_inches(width, whole)
    drawing.set_layout_engine("constrained", rect=(0, foot / whole, 1, height / whole))
    drawing.draw_without_rendering()  # lays out, once for all files
    drawing.set_layout_engine("none")
    drawing.text(0.01, 0.03 / whole, text, fontsize=_SMALL, va="bottom", color=INK)
    drawing.legend(
        handles.values(),
        handles.keys(),
        loc="upper center",
        ncols=columns,
        fontsize=_SMALL,
        frameon=False,
        borderaxespad=0.2,
        columnspacing=1.2,
        handletextpad=0.4,
    )
    return drawing


def caption(matrix: Matrix) -> str:
    """What the figures of a run rest on: data, device, seeds, meter, bars."""
    run = matrix.run
    meters = listed([f"{each.source} ({each.provenance})" for each in run.meters])
    several = matrix.seeds[1] > 1
    where = scope(matrix).replace("this CPU", run.machine.cpu)
    return " ".join(
        (
            f"Run: {where}; energy from {meters or 'no meter'}.",
            "Bars: one-sided 95 % t bounds over seeds." if several else "One seed has no bounds.",
        )
    )


def points(
    axes: Axes, places: Sequence[tuple[float, float]], look: Look, *, hollow: bool = False
) -> Any:
    """Figures of one method or model at (x, y): ours are filled, the paper's hollow."""
    (drawn,) = axes.plot(
        [x for x, _ in places],
        [y for _, y in places],
        ls="",
        marker=look.marker,
        ms=5.5 if look.marker == "*" else 4.1,
        mfc="none" if hollow else look.colour,
        mec=look.colour if hollow else INK,
        mew=0.9 if hollow else 0.4,
        zorder=2.5 if hollow else 3,
    )
    return drawn


def bars(
    axes: Axes, ranges: Sequence[Range], at: Sequence[float], look: Look, *, upright: bool = False
) -> None:
    """The bounds of figures, of those that have any, across `at`."""
    known = [(each, found.bounds) for each, found in zip(at, ranges, strict=True) if found.bounds]
    draw = axes.vlines if upright else axes.hlines
    draw(
        [each for each, _ in known],
        [low for _, (low, _) in known],
        [high for _, (_, high) in known],
        colors=INK if look.pale else look.colour,
        lw=1,
    )


def searched(
    axes: Axes, lines: Sequence[tuple[float, float, float]], *, upright: bool = False
) -> Any:
    """Thin lines at a place, from a figure to the same with its search."""
    at, alone, whole = (list(each) for each in zip(*lines, strict=True))
    (axes.vlines if upright else axes.hlines)(at, alone, whole, colors=SEARCH, lw=0.6, zorder=2)
    xs, ys = (at, whole) if upright else (whole, at)
    mark = "_" if upright else "|"
    (drawn,) = axes.plot(xs, ys, ls="", marker=mark, ms=4, mec=SEARCH, mew=0.9, zorder=2)
    return drawn


def ratio_axis(axes: Axes, values: Sequence[float], *, upright: bool = False) -> None:
    """A logarithmic axis of ratios to the baseline, marked 1, with plain numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = min([1.0, *values]) / 1.12, max([1.0, *values]) * 1.12
    marks = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50)
    axis = axes.yaxis if upright else axes.xaxis
    (axes.set_yscale if upright else axes.set_xscale)("log")
    (axes.set_ylim if upright else axes.set_xlim)(low, high)
    axis.set_major_locator(FixedLocator([mark for mark in marks if low <= mark <= high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    (axes.axhline if upright else axes.axvline)(1, color=INK, lw=0.8, ls=(0, (4, 2)), zorder=1)


def label(axes: Axes, x: str = "", y: str = "", title: str = "") -> None:
    """Axis labels and a panel's title in the figures' print."""
    axes.set_xlabel(x, fontsize=FONT)
    axes.set_ylabel(y, fontsize=FONT)
    axes.set_title(title, fontsize=FONT)


def _columns(names: Sequence[str], width: float) -> int:
    """The most full columns of a legend that fit into `width` inches."""
    for columns in range(len(names), 1, -1):
        rows = math.ceil(len(names) / columns)
        longest = [max(map(len, names[i : i + rows])) for i in range(0, len(names), rows)]
        if sum(0.42 + 1.12 * _LETTER * length for length in longest) <= width:
            return len(longest)
    return 1


@dataclass(frozen=True, slots=True)
class Look:
    """A colour, and the marker that says the same without it."""

    colour: str
    marker: str

    @property
    def pale(self) -> bool:
        """Whether a thin line of this colour can't be seen on white."""
        return self.colour == "#f0e442"


_METHODS = {
    "baseline": Look("#4d4d4d", "o"),
    "amp": Look("#f0e442", "v"),
    "autocast": Look("#8c6d00", "<"),
    "steganographic": Look("#56b4e9", "s"),
    "pruning": Look("#e69f00", "^"),
    "lowrank": Look("#009e73", "D"),
    "channel": Look("#cc79a7", "P"),
}
_FURTHER = (
    Look("#bdbdbd", "X"),
    Look("#d55e00", "h"),
    Look("#0072b2", "*"),
    Look("#000000", ">"),
    Look("#a6761d", "p"),
)

_NAMES = {
    "amp": "mixed precision",
    "lowrank": "low rank",
    "channel": "channels",
    "naive-truncation": "naive truncation",
}

MODEL_LOOKS = (
    Look("#000000", "o"),
    Look("#e69f00", "s"),
    Look("#56b4e9", "^"),
    Look("#009e73", "v"),
    Look("#8c6d00", "D"),
    Look("#0072b2", "P"),
    Look("#d55e00", "X"),
    Look("#cc79a7", "*"),
    Look("#7f7f7f", "h"),
)


def method_looks(methods: Sequence[str]) -> dict[str, Look]:
    """Known methods look the same in every run; others take what is left, in their order."""
    others = [method for method in methods if method not in _METHODS]
    return {
        method: _METHODS[method]
        if method in _METHODS
        else _FURTHER[others.index(method) % len(_FURTHER)]
        for method in methods
    }


def model_looks(models: Sequence[str]) -> dict[str, Look]:
    """A look for each model, in their order."""
    return {model: MODEL_LOOKS[i % len(MODEL_LOOKS)] for i, model in enumerate(models)}


def method_name(method: str) -> str:
    """`steganographic+channel` is called `steganographic + channels`."""
    return " + ".join(_NAMES.get(part, part) for part in method.split("+"))
