"""The threshold sweep of docs/paper-results.md: what a looser rule for accuracy buys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from results_cells import WITH_SEARCH, disturbed, lines, with_reason

from pytest_energybench.experiment.paper import canvas
from pytest_energybench.experiment.paper.canvas import method_looks, method_name
from pytest_energybench.experiment.paper.matrix import Matrix, Range
from pytest_energybench.experiment.paper.reference import reference
from pytest_energybench.experiment.paper.trials import accuracy, compression, energy_j
from pytest_energybench.experiment.rules import BASELINE
from pytest_energybench.gates.quantities import MINUS, UNKNOWN
from pytest_energybench.report.figures import finite
from pytest_energybench.results.model import Run
from pytest_energybench.results.run_file import read_run

HEADER = (
    "method",
    "tolerated, points",
    "energy over the baseline's",
    "the same with its search",
    "accuracy, points",
    "compression rate",
)

WIDTH_MM = 180


def by_drop(folder: Path) -> dict[float, Matrix]:
    """The runs in a folder by the drop of accuracy that they tolerate, the strictest first."""
    runs = [read_run(path) for path in sorted(folder.glob("drop-*.json"))]
    return {drop: Matrix.of(run) for drop, run in sorted(_with_drops(runs), key=lambda e: e[0])}


def table(sweep: Mapping[float, Matrix], model: str) -> Iterator[str]:
    """The lines of one model's table: a row for each method and drop."""
    rows = [
        [method, f"{100 * drop:g}", *_cells(matrix, model, method)]
        for method in _methods(sweep, model)
        for drop, matrix in sweep.items()
        if (model, method) in matrix.cases
    ]
    yield f"**A looser threshold: {reference().paper_name(model)}**\n"
    yield from lines(HEADER, rows)


def models(sweep: Mapping[float, Matrix]) -> list[str]:
    """Those of all runs, in the paper's order."""
    return list(dict.fromkeys(model for matrix in sweep.values() for model in matrix.models))


def draw(sweep: Mapping[float, Matrix], target: Path) -> None:
    """Energy with search over the change of accuracy, a line for each method, as an SVG file."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "pytest-energybench", "font.size": canvas.FONT}):
        names = models(sweep)
        drawing, grid = canvas.panels(len(names), WIDTH_MM, 2, 70)
        handles = {}
        for axes, model in zip(grid, names, strict=True):
            methods = _methods(sweep, model)
            for method, look in method_looks(methods).items():
                places = list(_places(sweep, model, method))
                if not places:
                    continue
                axes.plot(*zip(*places, strict=True), color=look.colour, lw=0.8, zorder=2)
                handles[method_name(method)] = canvas.points(axes, places, look)
            ratios = [y for m in methods for _, y in _places(sweep, model, m)]
            canvas.ratio_axis(axes, ratios, upright=True)
            title = reference().paper_name(model)
            canvas.label(
                axes, "change of accuracy (points)", "energy with its search / baseline", title
            )
        drops = ", ".join(f"{100 * drop:g}" for drop in sweep)
        note = f"Along a line the tolerated drop grows: {drops} points."
        canvas.finished(drawing, handles, next(iter(sweep.values())), note)
        drawing.savefig(target, format="svg", metadata={"Date": None, "Creator": None})


def _with_drops(runs: Sequence[Run]) -> Iterator[tuple[float, Run]]:
    for run in runs:
        drop = finite(run.settings.get("max_drop"))
        if drop is not None:
            yield drop, run


def _methods(sweep: Mapping[float, Matrix], model: str) -> list[str]:
    found = (
        method
        for matrix in sweep.values()
        for method in matrix.methods
        if method != BASELINE and (model, method) in matrix.cases
    )
    return list(dict.fromkeys(found))


def _cells(matrix: Matrix, model: str, method: str) -> Iterator[str]:
    for figure in (energy_j, WITH_SEARCH):
        why = disturbed(matrix, model, method, figure)
        yield with_reason(matrix.relative(model, method, figure), why)
    points = Range.of([100 * each for each in matrix.differences(model, method, accuracy)])
    yield UNKNOWN if points is None else f"{points.value:+.2f}".replace("-", MINUS)
    rate = matrix.value(model, method, compression)
    yield UNKNOWN if rate is None else f"{rate:.2f}"


def _places(
    sweep: Mapping[float, Matrix], model: str, method: str
) -> Iterator[tuple[float, float]]:
    for matrix in sweep.values():
        whole = matrix.ratio(model, method, WITH_SEARCH)
        change = matrix.change(model, method, accuracy)
        if whole is not None and change is not None:
            yield 100 * change, whole
