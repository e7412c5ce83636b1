"""Figures 1 to 6 of the paper, drawn from a run with matplotlib.

Each is a function from a matrix to a drawing, or to None if the run has nothing to show in it.
Bars start at zero; where energy is estimated, the label of its axis says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_energybench.experiment.paper.matrix import Matrix
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.style import GRID, INK, Look, method_looks, model_looks
from pytest_energybench.experiment.paper.trials import (
    Figure,
    accuracy,
    compression,
    duration_s,
    energy_j,
    epochs,
    facility_j,
    per_epoch,
)
from pytest_energybench.experiment.rules import BASELINE
from pytest_energybench.gates.quantities import JOULES_PER_WH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

Draw = Callable[[Matrix], "Drawing | None"]


@dataclass(frozen=True, slots=True)
class PaperFigure:
    """One of the paper's figures.

    Attributes:
        stem: name of its files without the ending; the page makes its caption of it.
        needs: what a run must hold for it.
    """

    stem: str
    needs: str
    draw: Draw


@dataclass(frozen=True, slots=True)
class _Panel:
    """One figure of every cell, as bars from zero or as points on an axis of its own range.

    Attributes:
        divisor: what a value is divided by for the unit in the label.
    """

    label: str
    figure: Figure
    bars: bool = True
    divisor: float = 1.0


def bits_and_accuracy(matrix: Matrix) -> Drawing | None:
    """Figure 1: accuracy over zeroed bits, the points that the search probed, model by model.

    Of those that were broken off the most that their accuracy can be.
    """
    searches = {
        model: case.search
        for model in matrix.models
        if (case := matrix.cases.get((model, "steganographic"))) is not None
        and case.search is not None
        and case.search.curve
    }
    if not searches:
        return None
    published = {model.name: model.table6.zeroed_bits for model in reference().models}
    drawing, grid = _grid(len(searches), panel=(3.2, 2.3))
    handles: dict[str, Any] = {}
    for axes, (model, search) in zip(grid, searches.items(), strict=True):
        curve = zip(*sorted(search.curve), strict=True)
        (line,) = axes.plot(*curve, marker="o", color="#0072b2", lw=1.4, ms=5, clip_on=False)
        handles["probed"] = line
        if search.at_most:
            handles["broken off: at most"] = axes.scatter(
                *zip(*search.at_most, strict=True), marker="v", color="none", edgecolor="#0072b2"
            )
        handles["capacity found"] = axes.axvline(search.found, color=INK, lw=1)
        axes.set_title(reference().paper_name(model), fontsize=10)
        axes.set(xlim=(0, 32), ylim=(0, 1.03), xticks=range(0, 33, 8))
        if model in published:
            handles["capacity in the paper"] = axes.axvline(
                published[model], color="#d55e00", lw=1.4, ls=(0, (4, 2))
            )
    drawing.supxlabel("zeroed low-order bits n (of 32)", fontsize=10)
    drawing.supylabel("validation accuracy (fraction)", fontsize=10)
    _legend(drawing, list(handles.values()), list(handles))
    return drawing


def energy_and_accuracy(matrix: Matrix) -> Drawing | None:
    """Figure 2."""
    return _pair(
        matrix, _energy_panel(matrix, "per training", facility_j), _accuracy_panel(), key=energy_j
    )


def time_and_compression(matrix: Matrix) -> Drawing | None:
    """Figure 3."""
    longest = _greatest(matrix, duration_s)
    unit, divisor = ("min", 60.0) if longest < 7200 else ("h", 3600.0)
    if longest < 120:
        unit, divisor = "s", 1.0
    time = _Panel(f"training time ({unit})", duration_s, divisor=divisor)
    return _pair(matrix, time, _Panel("compression (%)", compression, divisor=0.01), key=duration_s)


def energy_against_compression(matrix: Matrix) -> Drawing | None:
    """Figure 4: a panel for each method, a marker for each model."""
    points = {
        method: {
            model: (100 * rate, ratio)
            for model in matrix.models
            if (rate := matrix.value(model, method, compression)) is not None
            and (ratio := matrix.ratio(model, method, energy_j)) is not None
        }
        for method in matrix.methods
        if method != BASELINE
    }
    points = {method: found for method, found in points.items() if found}
    if not points:
        return None
    looks = model_looks(matrix.models)
    highest = max(ratio for found in points.values() for _, ratio in found.values())
    drawing, grid = _grid(len(points), panel=(4.2, 3.0), columns=2 if len(points) <= 4 else 3)
    handles: dict[str, Any] = {}
    for axes, (method, found) in zip(grid, points.items(), strict=True):
        axes.axhline(1, color=INK, lw=1, ls=(0, (4, 2)))
        for model, (rate, ratio) in found.items():
            handles[model] = _points(axes, [rate], [ratio], looks[model], size=55)
        axes.set_title(method, fontsize=10)
        axes.set(xlim=(-3, 100), ylim=(0, max(1.1, 1.08 * highest)))
    drawing.supxlabel("compression (%)", fontsize=10)
    word = _energy_word(matrix)
    drawing.supylabel(f"energy relative to the baseline's (dashed){word}", fontsize=10)
    shown = [model for model in matrix.models if model in handles]
    _legend(
        drawing,
        [handles[model] for model in shown],
        [reference().paper_name(model) for model in shown],
    )
    return drawing


def accuracy_and_epochs(matrix: Matrix) -> Drawing | None:
    """Figure 5."""
    return _pair(matrix, _accuracy_panel(), _Panel("epochs", epochs), key=epochs)


def energy_per_epoch_and_epochs(matrix: Matrix) -> Drawing | None:
    """Figure 6."""
    panel = _energy_panel(matrix, "per epoch", per_epoch(facility_j))
    return _pair(matrix, panel, _Panel("epochs", epochs), key=per_epoch(energy_j))


PAPER_FIGURES = (
    PaperFigure("figure_1_accuracy-over-zeroed-bits", "steganographic cases", bits_and_accuracy),
    PaperFigure("figure_2_energy-and-accuracy", "cases with an energy", energy_and_accuracy),
    PaperFigure("figure_3_time-and-compression", "cases with a duration", time_and_compression),
    PaperFigure(
        "figure_4_energy-relative-to-baseline-against-compression",
        "a baseline and another method of the same model",
        energy_against_compression,
    ),
    PaperFigure("figure_5_accuracy-and-epochs", "cases that record epochs", accuracy_and_epochs),
    PaperFigure(
        "figure_6_energy-per-epoch-and-epochs",
        "cases that record epochs and have an energy",
        energy_per_epoch_and_epochs,
    ),
)


def _energy_word(matrix: Matrix) -> str:
    return "" if matrix.energy_kind == "measured" else f", {matrix.energy_kind}"


def _energy_panel(matrix: Matrix, over: str, figure: Figure) -> _Panel:
    """Data-centre energy as the paper reports it, in watt-hours or kilowatt-hours."""
    greatest = _greatest(matrix, figure) / JOULES_PER_WH
    unit, scale = ("kWh", 1000.0) if greatest >= 1000 else ("Wh", 1.0)
    if greatest < 0.1:
        unit, scale = "mWh", 0.001
    word = _energy_word(matrix).removeprefix(", ")
    label = f"energy {over} ({unit})\n{word + ', ' if word else ''}PUE included"
    return _Panel(label, figure, divisor=JOULES_PER_WH * scale)


def _accuracy_panel() -> _Panel:
    return _Panel("test accuracy\n(fraction)", accuracy, bars=False)


def _greatest(matrix: Matrix, figure: Figure) -> float:
    return max((matrix.value(*place, figure) or 0.0 for place in matrix.cases), default=0.0)


def _pair(matrix: Matrix, top: _Panel, bottom: _Panel, *, key: Figure) -> Drawing | None:
    """Two figures of every cell over the same models; None if no case has the `key` figure."""
    if all(matrix.value(*place, key) is None for place in matrix.cases):
        return None
    from matplotlib.figure import Figure as Canvas

    drawing = Canvas(figsize=(max(5.0, 2.2 + 1.05 * len(matrix.models)), 5.6), layout="constrained")
    upper, lower = drawing.subplots(2, 1, sharex=True)
    drawn = (_fill(upper, matrix, top), _fill(lower, matrix, bottom))
    alike = top.bars == bottom.bars
    handles = drawn[0] if alike else list(zip(*drawn, strict=True))
    lower.set_xticks(
        range(len(matrix.models)), [reference().paper_name(model) for model in matrix.models]
    )
    lower.set_xlim(-0.5, len(matrix.models) - 0.5)
    drawing.align_ylabels()
    _legend(drawing, handles, matrix.methods)
    return drawing


def _fill(axes: Axes, matrix: Matrix, panel: _Panel) -> list[Any]:
    """Draw one panel; the handles are one for each method, in their order."""
    looks = method_looks(matrix.methods)
    width = 0.82 / len(matrix.methods)
    handles: list[Any] = []
    for place, method in enumerate(matrix.methods):
        look = looks[method]
        shift = (place - (len(matrix.methods) - 1) / 2) * width
        values = [matrix.value(model, method, panel.figure) for model in matrix.models]
        xs = [i + shift for i in range(len(values))]
        ys = [math.nan if value is None else value / panel.divisor for value in values]
        if panel.bars:
            bars = axes.bar(
                xs, ys, width, color=look.colour, hatch=look.hatch, edgecolor=INK, linewidth=0.5
            )
            handles.append(bars)
        else:
            handles.append(_points(axes, xs, ys, look))
    for border in range(1, len(matrix.models)):
        axes.axvline(border - 0.5, color=GRID, lw=0.8, zorder=0)
    axes.set_ylabel(panel.label, fontsize=10)
    axes.tick_params(axis="x", length=0)
    _plain(axes)
    if panel.bars:
        axes.set_ylim(bottom=0)
    return handles


def _points(
    axes: Axes, xs: Sequence[float], ys: Sequence[float], look: Look, *, size: float = 38
) -> Any:
    """Points with a thin border; `size` is in square points."""
    return axes.scatter(
        xs,
        ys,
        s=size * (1.8 if look.marker == "*" else 1),
        marker=look.marker,
        c=look.colour,
        edgecolors=INK,
        linewidths=0.6,
        alpha=0.9,
        zorder=3,
    )


def _grid(
    count: int, *, panel: tuple[float, float], columns: int = 3
) -> tuple[Drawing, list[Axes]]:
    """Panels with common axes, three (or `columns`) beside each other; `panel` is in inches."""
    from matplotlib.figure import Figure as Canvas

    across = min(columns, count)
    down = math.ceil(count / across)
    size = (max(5.0, panel[0] * across), panel[1] * down + 0.9)
    drawing = Canvas(figsize=size, layout="constrained")
    cells = drawing.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat
    grid: list[Axes] = list(cells)
    for axes in grid[count:]:
        axes.remove()
    for axes in grid[max(0, count - across) : count]:
        axes.tick_params(labelbottom=True)
    for axes in grid[:count]:
        _plain(axes)
        axes.grid(axis="x", color=GRID, lw=0.6)
    return drawing, grid[:count]


def _plain(axes: Axes) -> None:
    axes.grid(axis="y", color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def _legend(drawing: Drawing, handles: Sequence[Any], names: Sequence[str]) -> None:
    """The figure's one legend, above it; a handle of two parts shows them beside each other."""
    from matplotlib.legend_handler import HandlerTuple

    drawing.legend(
        handles,
        names,
        loc="outside upper center",
        ncols=_columns(names, drawing.get_figwidth()),
        fontsize=9,
        frameon=False,
        handler_map={tuple: HandlerTuple(ndivide=None)},
    )


def _columns(names: Sequence[str], width: float) -> int:
    """The most full columns of a legend that fit into `width` inches."""
    for columns in range(len(names), 1, -1):
        rows = math.ceil(len(names) / columns)
        longest = [max(map(len, names[i : i + rows])) for i in range(0, len(names), rows)]
        if sum(0.75 + 0.075 * length for length in longest) <= width:
            return len(longest)
    return 1
