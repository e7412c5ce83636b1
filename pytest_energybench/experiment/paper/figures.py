"""Figures 1 to 6 of the paper, drawn from a run with matplotlib, for a page's width in print.

Each is a function from a matrix and a width in millimetres to a drawing, or to None if the run has
nothing to show in it. Ours is filled, the paper's value hollow beside it. What differs in magnitude
from model to model is relative to the model's baseline of the same run, on a logarithmic axis. A
thin line goes from what training took to what it took with its search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_energybench.experiment.paper.canvas import (
    FONT,
    GRID,
    INK,
    Look,
    bars,
    finished,
    label,
    method_looks,
    method_name,
    model_looks,
    panels,
    points,
    ratio_axis,
    searched,
)
from pytest_energybench.experiment.paper.matrix import Matrix, Range
from pytest_energybench.experiment.paper.reference import ModelReference, reference
from pytest_energybench.experiment.paper.trials import (
    Figure,
    accuracy,
    duration_s,
    energy_j,
    epochs,
    per_epoch,
    with_search,
)
from pytest_energybench.experiment.rules import BASELINE
from pytest_energybench.results.model import Search

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

Draw = Callable[[Matrix, float], "Drawing | None"]

PAPER = "hollow: the paper"
BLUE = "#0072b2"
SEARCHED = "line's end: with its search"


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
    """One figure of every model and method.

    Attributes:
        ours: of a model and a method, over its seeds.
        searched: the same with the search; the paper's value: `published`. None where unknown.
        relative: it is relative to the baseline, which is then not drawn.
    """

    label: str
    ours: Callable[[str, str], Range | None]
    searched: Callable[[str, str], float | None] = lambda *_: None
    published: Callable[[str, str], float | None] = lambda *_: None
    relative: bool = False


def bits_and_accuracy(matrix: Matrix, width_mm: float) -> Drawing | None:
    """Figure 1: accuracy over zeroed bits, the levels that the search probed, model by model.

    Of those that were broken off the most that their accuracy can be.
    """
    searches = {
        model: search
        for model in matrix.models
        if (search := _bit_search(matrix, model)) is not None
    }
    if not searches:
        return None
    published = {model.name: model.table6.zeroed_bits for model in reference().models}
    columns = 3
    drawing, grid = panels(len(searches), width_mm, columns, 36 if width_mm > 100 else 28)
    handles: dict[str, Any] = {}
    for axes, (model, search) in zip(grid, searches.items(), strict=True):
        probed = points(axes, sorted(search.curve), Look(BLUE, "o"))
        handles["validation accuracy at a probed level"] = probed
        if search.at_most:
            most = points(axes, search.at_most, Look(BLUE, "v"), hollow=True)
            handles["broken off: at most"] = most
        handles["capacity found"] = axes.axvline(search.found, color=INK, lw=0.8)
        if model in published:
            handles["capacity in the paper"] = axes.axvline(
                published[model], color="#d55e00", lw=1, ls=(0, (4, 2))
            )
        axes.set(xlim=(-0.7, 32), ylim=(0, 1.05), xticks=range(0, 33, 8))
        label(axes, title=reference().paper_name(model))
    for axes in grid[-columns:]:
        label(axes, "zeroed bits", title=axes.get_title())
    drawing.supylabel("validation accuracy (fraction)", fontsize=FONT)
    notes = ["A level without a point was not probed: the search needed none."]
    if matrix.seeds[1] > 1:
        notes.append("Points and the capacity found are of one seed's search, the last one's.")
    return finished(drawing, handles, matrix, *notes)


def energy_and_accuracy(matrix: Matrix, width_mm: float) -> Drawing | None:
    """Figure 2."""
    return _rows(matrix, width_mm, [_relative(matrix, energy_j, ""), _accuracy(matrix)])


def time_and_compression(matrix: Matrix, width_mm: float) -> Drawing | None:
    """Figure 3."""
    stored = _Panel(
        "weight bytes saved (%)",
        lambda model, method: _scaled(matrix.stored(model, method), 100),
        published=_published_rate,
    )
    return _rows(matrix, width_mm, [_relative(matrix, duration_s, ""), stored])


def energy_against_compression(matrix: Matrix, width_mm: float) -> Drawing | None:
    """Figure 4: a panel for each method, a marker for each model.

    Of the paper only the compression is printed: its points lie on the axis.
    """
    methods = [
        method
        for method in matrix.methods
        if method != BASELINE and any(_place(matrix, model, method) for model in matrix.models)
    ]
    if not methods:
        return None
    looks = model_looks(matrix.models)
    whole = with_search(energy_j)
    columns = 3 if width_mm > 100 else 2
    drawing, grid = panels(len(methods), width_mm, columns, 46)
    handles: dict[str, Any] = {}
    heights: list[float] = []
    for axes, method in zip(grid, methods, strict=True):
        for model in matrix.models:
            found = _place(matrix, model, method)
            if found is None:
                continue
            rate, ratio = found
            handles[reference().paper_name(model)] = points(
                axes, [(100 * rate, ratio.value)], looks[model]
            )
            bars(axes, [ratio], [100 * rate], looks[model], upright=True)
            heights += [ratio.value, *(ratio.bounds or ())]
            total = matrix.ratio(model, method, whole)
            if total is not None and total != ratio.value:
                searched(axes, [(100 * rate, ratio.value, total)], upright=True)
                heights.append(total)
        label(axes, title=method_name(method))
        axes.set_xlim(-4, 104)
    for axes, method in zip(grid, methods, strict=True):
        ratio_axis(axes, heights, upright=True)
        low = axes.get_ylim()[0]
        for model in matrix.models:
            published = _published_rate(model, method)
            if published is not None:
                points(axes, [(published, low)], looks[model], hollow=True).set_clip_on(False)
    for axes in grid[-columns:]:
        label(axes, "weight bytes saved (%)", title=axes.get_title())
    drawing.supylabel(f"{_energy_word(matrix)}, over the baseline's", fontsize=FONT)
    return finished(
        drawing,
        handles,
        matrix,
        "Dash above a point: with its search. Hollow on the axis: the paper's compression rate.",
    )


def accuracy_and_epochs(matrix: Matrix, width_mm: float) -> Drawing | None:
    """Figure 5."""
    counted = _Panel("epochs", lambda model, method: matrix.over(model, method, epochs))
    return _rows(matrix, width_mm, [_accuracy(matrix), counted])


def energy_per_epoch_and_epochs(matrix: Matrix, width_mm: float) -> Drawing | None:
    """Figure 6: two ratios whose product is that of Figure 2."""
    each = _relative(matrix, per_epoch(energy_j), " per epoch", searched=False)
    counted = _Panel(
        "epochs, over the baseline's",
        lambda model, method: matrix.relative(model, method, epochs),
        relative=True,
    )
    return _rows(matrix, width_mm, [each, counted])


PAPER_FIGURES = (
    PaperFigure("figure_1_accuracy-over-zeroed-bits", "steganographic cases", bits_and_accuracy),
    PaperFigure(
        "figure_2_energy-and-accuracy",
        "a baseline and another method of the same model, with energies",
        energy_and_accuracy,
    ),
    PaperFigure(
        "figure_3_time-and-compression",
        "a baseline and another method of the same model",
        time_and_compression,
    ),
    PaperFigure(
        "figure_4_energy-relative-to-baseline-against-compression",
        "a baseline and another method of the same model, with energies and stored bytes",
        energy_against_compression,
    ),
    PaperFigure(
        "figure_5_accuracy-and-epochs",
        "a baseline and another method of the same model, with epochs",
        accuracy_and_epochs,
    ),
    PaperFigure(
        "figure_6_energy-per-epoch-and-epochs",
        "a baseline and another method of the same model, with energies and epochs",
        energy_per_epoch_and_epochs,
    ),
)


def _rows(matrix: Matrix, width_mm: float, both: Sequence[_Panel]) -> Drawing | None:
    """Two figures of every model and method, a model a row; None if one has nothing to show."""
    looks = method_looks(matrix.methods)
    row_mm = 1.6 + (1.5 if width_mm > 100 else 1.15) * len(matrix.methods)
    height = max(30.0, row_mm * len(matrix.models) + 12)
    drawing, (left, right) = panels(2, width_mm, 2 if width_mm > 100 else 1, height)
    handles: dict[str, Any] = {}
    for axes, panel in zip((left, right), both, strict=True):
        drawn = _fill(axes, matrix, panel, looks)
        if not drawn:
            return None
        handles |= drawn
    if width_mm > 100:
        right.tick_params(labelleft=False)
    ordered = {
        method_name(method): handles[method] for method in matrix.methods if method in handles
    }
    further = {name: handles[name] for name in (SEARCHED, PAPER) if name in handles}
    return finished(drawing, {**ordered, **further}, matrix)


def _fill(axes: Axes, matrix: Matrix, panel: _Panel, looks: dict[str, Look]) -> dict[str, Any]:
    """Draw one panel; a handle for each method, and for the paper and searches where shown."""
    handles: dict[str, Any] = {}
    shown = [m for m in matrix.methods if not (panel.relative and m == BASELINE)]
    values: list[float] = []
    for place, method in enumerate(shown):
        look, shift = looks[method], 0.78 * ((place + 0.5) / len(shown) - 0.5)
        rows = [(row + shift, model) for row, model in enumerate(matrix.models)]
        found = [(at, f) for at, model in rows if (f := panel.ours(model, method)) is not None]
        whole = [(at, w) for at, model in rows if (w := panel.searched(model, method)) is not None]
        paper = [(p, at) for at, model in rows if (p := panel.published(model, method)) is not None]
        if paper:
            points(axes, paper, look, hollow=True)
            handles[PAPER] = points(axes, [], Look(INK, "o"), hollow=True)
        alone = {at: each.value for at, each in found}
        beside = [(at, alone[at], w) for at, w in whole if at in alone and w != alone[at]]
        if beside:
            handles[SEARCHED] = searched(axes, beside)
        if found:
            bars(axes, [each for _, each in found], list(alone), look)
            handles[method] = points(axes, [(value, at) for at, value in alone.items()], look)
        values += [*alone.values(), *(w for _, _, w in beside), *(p for p, _ in paper)]
        values += [end for _, each in found for end in each.bounds or ()]
    if not values:
        return {}
    axes.set_yticks(range(len(matrix.models)), [*map(reference().paper_name, matrix.models)])
    axes.set_ylim(len(matrix.models) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    for border in range(1, len(matrix.models)):
        axes.axhline(border - 0.5, color=GRID, lw=0.5, zorder=0)
    axes.tick_params(axis="y", length=0)
    if panel.relative:
        ratio_axis(axes, values)
    elif min(values) >= 0:
        axes.set_xlim(-0.03 * max(values), 1.05 * max(values))
    else:
        axes.axvline(0, color=INK, lw=0.8, ls=(0, (4, 2)), zorder=1)
    label(axes, panel.label)
    return handles


def _relative(matrix: Matrix, figure: Figure, over: str, *, searched: bool = True) -> _Panel:
    what = "time" if figure is duration_s else _energy_word(matrix)
    whole = with_search(figure)
    return _Panel(
        f"{what}{over}, over the baseline's",
        lambda model, method: matrix.relative(model, method, figure),
        (lambda model, method: matrix.ratio(model, method, whole)) if searched else _nothing,
        relative=True,
    )


def _accuracy(matrix: Matrix) -> _Panel:
    return _Panel(
        "change of test accuracy (points)",
        lambda model, method: (
            _scaled(Range.of(matrix.differences(model, method, accuracy)), 100)
            if method != BASELINE
            else None
        ),
        published=_published_change,
    )


def _nothing(_model: str, _method: str) -> float | None:
    return None


def _energy_word(matrix: Matrix) -> str:
    """An energy estimated from CPU time alone says no more than that time."""
    kind = matrix.energy_kind
    if kind == "estimated":
        return "energy (estimated: a time ratio)"
    return "energy" if kind == "measured" else f"energy ({kind})"


def _place(matrix: Matrix, model: str, method: str) -> tuple[float, Range] | None:
    """Where a case lies in Figure 4: its stored rate, 0 to 1, and its energy's ratio."""
    rate, ratio = matrix.stored(model, method), matrix.relative(model, method, energy_j)
    return None if rate is None or ratio is None else (rate.value, ratio)


def _bit_search(matrix: Matrix, model: str) -> Search | None:
    case = matrix.cases.get((model, "steganographic"))
    search = None if case is None else case.search
    return search if search is not None and search.curve else None


def _published(model: str, method: str) -> tuple[ModelReference, Any] | None:
    """The paper's facts of a model, and its table of this method."""
    for each in reference().models:
        tables = {"steganographic": each.table6, "pruning": each.table7, "lowrank": each.table8}
        if each.name == model and method in tables:
            return each, tables[method]
    return None


def _published_change(model: str, method: str) -> float | None:
    found = _published(model, method)
    if found is None:
        return None
    return 100 * float(found[1].accuracy - found[0].table6.baseline_accuracy)


def _published_rate(model: str, method: str) -> float | None:
    found = _published(model, method)
    return None if found is None else 100 * float(found[1].compression_rate)


def _scaled(found: Range | None, by: float) -> Range | None:
    if found is None:
        return None
    low_high = None if found.bounds is None else (by * found.bounds[0], by * found.bounds[1])
    return Range(by * found.value, low_high, found.n)
