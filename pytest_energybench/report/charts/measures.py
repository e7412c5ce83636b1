"""The paper's comparison, model by model: energy, time, epochs, accuracy, compression.

Drawn when every case's parameters are exactly a model and a method; the panels stand for the
paper's Figures 2 to 6.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_energybench.base.text import sanitize
from pytest_energybench.gates import quantities
from pytest_energybench.report import figures
from pytest_energybench.report.charts.scale import Scale, Tick, around
from pytest_energybench.report.charts.series import BASELINE, Series, method_of, series, shapes
from pytest_energybench.report.text import listed
from pytest_energybench.report.view import CaseView

LINE_HEIGHT = 24
_COMPRESSION = ("compression", "compression_rate", "theoretical_rate", "realised_rate")


@dataclass(frozen=True, slots=True)
class Mark:
    """One method's figure on a model's line: `x` in percent, `y` in pixels.

    Methods stand a little above or below each other, so that equal figures all show.
    """

    shape: int
    x: float
    y: float
    text: str
    estimated: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One model's figures of one measure."""

    model: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One measure over all models; `reference` is the place of the baseline, where it is one."""

    heading: str
    note: str
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    reference: float | None
    finding: str
    time_ratio: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table that says the same as the panels."""

    case: CaseView
    model: str
    method: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measures:
    """All panels, their legend, and the table of the same figures."""

    methods: tuple[Series, ...]
    panels: tuple[Panel, ...]
    heads: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class _Measure:
    heading: str
    note: str
    value: Callable[[CaseView], float | None]
    text: Callable[[float], str]
    relative: bool = False
    of_energy: bool = False
    tick: Callable[[float], str] | None = None


def is_paper(cases: Sequence[CaseView]) -> bool:
    """Whether the cases are models x methods and nothing else."""
    return len(cases) > 1 and all(set(c.source.params) == {"model", "method"} for c in cases)


def measures(cases: Sequence[CaseView]) -> Measures | None:
    """Panels and table of the paper's cases; None for any other run."""
    if not is_paper(cases):
        return None
    by_model: dict[str, dict[str, CaseView]] = {}
    for case in cases:
        by_model.setdefault(_param(case, "model"), {})[method_of(case)] = case
    panels = [_panel(measure, by_model, shapes(cases)) for measure in _MEASURES]
    return Measures(
        methods=series(cases),
        panels=tuple(panel for panel in panels if panel is not None),
        heads=tuple(measure.heading for measure in _MEASURES),
        rows=tuple(
            Row(case, model, method, tuple(_cell(measure, case) for measure in _MEASURES))
            for model, found in by_model.items()
            for method, case in found.items()
        ),
    )


def _param(case: CaseView, name: str) -> str:
    return sanitize(str(case.source.params[name]))


def _metric(*names: str) -> Callable[[CaseView], float | None]:
    def value(case: CaseView) -> float | None:
        found = (figures.finite(case.source.metrics.get(name)) for name in names)
        return next((number for number in found if number is not None), None)

    return value


def _energy(case: CaseView) -> float | None:
    return figures.joules(case.source)


def _per_epoch(case: CaseView) -> float | None:
    energy, epochs = _energy(case), _metric("epochs")(case)
    return energy / epochs if energy is not None and epochs else None


def _share(value: float) -> str:
    return quantities.percent(value, uncertainty=0.01, signed=False)


_ENERGY = _Measure(
    "Energy", "relative to the baseline", _energy, lambda j: quantities.energy(j).text, True, True
)
_TIME = _Measure(
    "Time", "relative to the baseline", lambda c: c.duration.value, quantities.seconds, True
)
_EPOCHS = _Measure("Epochs", "until training stopped", _metric("epochs"), quantities.number)
_PER_EPOCH = _Measure(
    "Energy per epoch",
    "relative to the baseline",
    _per_epoch,
    lambda j: quantities.energy(j).text,
    True,
    True,
)
_ACCURACY = _Measure(
    "Accuracy",
    "on test images",
    lambda c: c.accuracy.value,
    quantities.accuracy,
    tick=lambda v: f"{v:.3g}",
)
_RATE = _Measure(
    "Compression", "share removed", _metric(*_COMPRESSION), _share, tick=lambda v: f"{v:.0%}"
)
_TO_LEVEL = _Measure(
    "Energy to the level",
    "until validation first came within a point of the baseline's best; relative to the baseline",
    _metric("joules_to_level"),
    lambda j: quantities.energy(j).text,
    True,
    True,
)
_MEASURES = (_ENERGY, _TIME, _ACCURACY, _EPOCHS, _PER_EPOCH, _TO_LEVEL, _RATE)


def _cell(measure: _Measure, case: CaseView) -> str:
    value = measure.value(case)
    if value is None:
        return quantities.UNKNOWN
    mark = quantities.ESTIMATE_MARK if measure.of_energy and case.estimated else ""
    return mark + measure.text(value)


def _panel(
    measure: _Measure, by_model: dict[str, dict[str, CaseView]], shape_of: dict[str, int]
) -> Panel | None:
    found: dict[str, dict[str, tuple[float, CaseView]]] = {}
    for model, cases in by_model.items():
        values = {m: (v, c) for m, c in cases.items() if (v := measure.value(c)) is not None}
        reference = values.get(BASELINE, (None, None))[0]
        if measure.relative:
            values = {m: (v / reference, c) for m, (v, c) in values.items()} if reference else {}
        found[model] = values
    numbers = [value for values in found.values() for value, _ in values.values()]
    if not numbers:
        return None
    scale = _scale(measure, numbers)
    return Panel(
        heading=measure.heading,
        note=measure.note,
        lines=tuple(_line(model, found[model], measure, shape_of, scale) for model in found),
        ticks=scale.ticks(_tick_label(measure), 4),
        reference=scale.at(1.0) if measure.relative else None,
        finding=_finding(measure, found),
        time_ratio=measure.of_energy
        and any(figures.wholly_estimated(c.source) for m in by_model.values() for c in m.values()),
    )


def _scale(measure: _Measure, numbers: Sequence[float]) -> Scale:
    if measure is _ACCURACY:
        return around(numbers)
    return around([1.0, *numbers] if measure.relative else numbers, zero=True)


def _tick_label(measure: _Measure) -> Callable[[float], str]:
    if measure.relative:
        return lambda value: f"{value:g}×"
    return measure.tick or measure.text


def _line(
    model: str,
    values: dict[str, tuple[float, CaseView]],
    measure: _Measure,
    shape_of: dict[str, int],
    scale: Scale,
) -> Line:
    marks = tuple(
        Mark(
            shape_of[method],
            scale.at(value),
            _height(shape_of[method], len(shape_of)),
            f"{method}: {_cell(measure, case)}"
            + (f", {value:.2f} of the baseline" if measure.relative else ""),
            measure.of_energy and case.estimated,
        )
        for method, (value, case) in values.items()
    )
    return Line(model, marks)


def _height(index: int, number: int) -> float:
    room = LINE_HEIGHT - 14
    return round(7 + room * (index / (number - 1) if number > 1 else 0.5), 1)


def _finding(measure: _Measure, found: dict[str, dict[str, tuple[float, CaseView]]]) -> str:
    methods = dict.fromkeys(method for values in found.values() for method in values)
    parts = []
    for method in methods:
        numbers = [values[method][0] for values in found.values() if method in values]
        middle = statistics.median(numbers)
        if method == BASELINE and (measure.relative or measure is _RATE):
            continue
        shown = f"{middle:.2f}" if measure.relative else measure.text(middle)
        parts.append(f"{shown} for {method}")
    if not parts:
        return "Only the baseline was measured."
    unit = " of the baseline's" if measure.relative else ""
    return f"Median over {len(found)} models{unit}: {listed(parts)}."
