"""The columns of a table of cases, defined once: page, terminal, Markdown, CSV and the comparison
of runs only lay them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pytest_energybench.gates import quantities
from pytest_energybench.report import figures
from pytest_energybench.report.view import CaseView, Cell, Change, RunView
from pytest_energybench.results.model import Scalar

_DIGIT_WIDE = "\u2007"
_POINT_WIDE = "\u2008"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of figures in one unit and one precision.

    Attributes:
        key: short name, used for hiding it.
        title: `note` explains it; `warning` goes behind it, where there is room.
        figures: one for each case; `bounds` and `words`, where the column has some, stand behind.
        cells: the same for a page: figure and word in one, and the number that it sorts by.
        estimated: whether the figure comes from a model.
        minor: left out where there is little room; `wide`, where there is not a lot of it.
    """

    key: str
    title: str
    note: str
    figures: tuple[str, ...]
    cells: tuple[Cell, ...]
    bounds: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    estimated: tuple[bool, ...] = ()
    minor: bool = False
    wide: bool = False
    warning: str = ""

    @property
    def head(self) -> str:
        """The title with its warning."""
        return f"{self.title} ({self.warning})" if self.warning else self.title

    @property
    def wholly_estimated(self) -> bool:
        """Whether all of its figures come from a model, so that its head says it for all; else
        each that does is marked."""
        known = zip(self.estimated, self.figures, strict=True)
        return any(self.estimated) and all(e for e, text in known if text != quantities.UNKNOWN)


def columns(view: RunView, cases: Sequence[CaseView] | None = None) -> tuple[Column, ...]:
    """The columns of figures that say anything in this run, for some of its cases or for all."""
    shown = view.cases if cases is None else cases
    found = (definition.make(view, shown) for definition in _DEFINITIONS)
    return tuple(column for column in found if column is not None)


def fields() -> dict[str, Callable[[CaseView], Scalar]]:
    """The same columns as plain values, by the names that they have in a CSV file."""
    return {name: of for each in _DEFINITIONS for name, of in each.fields.items()}


@dataclass(frozen=True, slots=True)
class _Definition:
    """Makes a column, or none where it says nothing; `fields` are its plain values."""

    make: Callable[[RunView, Sequence[CaseView]], Column | None]
    fields: Mapping[str, Callable[[CaseView], Scalar]]


def _energy(_: RunView, cases: Sequence[CaseView]) -> Column:
    return _of_joules(
        cases,
        [figures.joules(case.source) for case in cases],
        ("energy", "Energy", "IT energy, median of the rounds"),
    )


def _per_unit(_: RunView, cases: Sequence[CaseView]) -> Column | None:
    found = [case.per_unit for case in cases]
    units = {each[0] for each in found if each is not None}
    if not units:
        return None
    only = next(iter(units)) if len(units) == 1 else ""
    values = [each[1] if each is not None else None for each in found]
    note = "IT energy per functional unit, median of the rounds"
    if only:
        return _of_joules(cases, values, ("unit", f"Per {only}", note))
    texts = tuple(  # figures of different units share no scale
        quantities.per(quantities.energy(value).text, each[0] if each and value is not None else "")
        for each, value in zip(found, values, strict=True)
    )
    return Column(
        "unit",
        "Per unit",
        note,
        figures=texts,
        cells=tuple(map(Cell, texts, values)),
        estimated=tuple(
            case.estimated and value is not None for case, value in zip(cases, values, strict=True)
        ),
    )


def _facility(view: RunView, cases: Sequence[CaseView]) -> Column | None:
    if not view.has_facility:
        return None
    return _of_joules(
        cases,
        [figures.finite(case.source.facility_j) for case in cases],
        ("facility", "Facility", f"IT energy × PUE {view.pue:g}"),
        minor=True,
    )


def _carbon(view: RunView, cases: Sequence[CaseView]) -> Column | None:
    if not view.carbon:
        return None
    texts = tuple(
        quantities.UNKNOWN
        if case.co2e_g is None
        else quantities.grams(case.co2e_g, estimated=True).text
        for case in cases
    )
    cells = tuple(map(Cell, texts, (case.co2e_g for case in cases)))
    note = f"grams of CO₂e: facility energy × {view.carbon}, an estimate"
    return Column("emissions", "Emissions", note, texts, cells, minor=True, wide=True)


def _of_joules(
    cases: Sequence[CaseView],
    values: Sequence[float | None],
    titles: tuple[str, str, str],
    *,
    minor: bool = False,
) -> Column:
    found = quantities.energy_column(
        [(v, case.uncertainty, case.estimated) for v, case in zip(values, cases, strict=True)]
    )
    aligned = quantities.align(found, pad=_DIGIT_WIDE, point=_POINT_WIDE)
    return Column(
        *titles,
        figures=tuple(f"{each.number} {each.unit}".rstrip() for each in found),
        cells=tuple(map(Cell, aligned, values)),
        estimated=tuple(each.estimated for each in found),
        minor=minor,
    )


def _time(_: RunView, cases: Sequence[CaseView]) -> Column:
    values = [case.duration.value for case in cases]
    texts = tuple(each.text for each in quantities.duration_column(values))
    cells = tuple(map(Cell, texts, values))
    return Column("time", "Time", "median of the rounds", texts, cells, minor=True)


def _change(reference: str, view: RunView, cases: Sequence[CaseView]) -> Column | None:
    if reference not in view.versus:
        return None
    changes = [case.changes.get(reference) for case in cases]
    ratios = [change.time_ratio for change in changes if change is not None]
    units = {change.unit for change in changes if change is not None}
    per = f" per {min(units) if len(units) == 1 else 'unit'}" if units and all(units) else ""
    note = f"change of energy{per}, and what it shows"
    if time_ratio := bool(ratios) and all(ratios):
        note = "a time ratio: both energies are estimated from CPU time"
    is_deciding = reference == next(iter(view.versus))
    return Column(
        reference,
        f"{view.versus[reference]}{per}",
        note,
        figures=tuple(quantities.percent(each.value if each else None) for each in changes),
        bounds=tuple(quantities.bounds(each.interval) if each else "" for each in changes),
        words=tuple(each.finding if each else "" for each in changes),
        cells=tuple(map(_cell, changes)),
        minor=not is_deciding,
        wide=not is_deciding,
        warning="time ratio" * time_ratio,
    )


def _cell(change: Change | None) -> Cell:
    if change is None:
        return Cell(quantities.UNKNOWN)
    return Cell(f"{quantities.percent(change.value)} {change.finding}", change.value)


def _accuracy(view: RunView, cases: Sequence[CaseView]) -> Column | None:
    if not view.has_accuracy:
        return None
    found = tuple(case.accuracy.text for case in cases)
    words = tuple(case.accuracy_finding for case in cases)
    cells = tuple(
        Cell(f"{figure} {word}".rstrip(), case.accuracy.value)
        for figure, word, case in zip(found, words, cases, strict=True)
    )
    return Column(
        "accuracy", "Accuracy", "as recorded by the test", found, cells, words=words, minor=True
    )


def _rounds(view: RunView, cases: Sequence[CaseView]) -> Column | None:
    if not view.has_rounds:
        return None
    numbers = [len(case.source.rounds) or None for case in cases]
    texts = tuple(f"{each:,}" if each else quantities.UNKNOWN for each in numbers)
    cells = tuple(map(Cell, texts, numbers))
    return Column("rounds", "Rounds", "independent repetitions", texts, cells, minor=True)


def _changes(reference: str) -> _Definition:
    def of(part: Callable[[Change], Scalar]) -> Callable[[CaseView], Scalar]:
        def value(case: CaseView) -> Scalar:
            found = case.changes.get(reference)
            return part(found) if found is not None else None

        return value

    return _Definition(
        partial(_change, reference),
        {
            f"{reference}_change": of(lambda each: each.value),
            f"{reference}_low": of(lambda each: each.interval[0] if each.interval else None),
            f"{reference}_high": of(lambda each: each.interval[1] if each.interval else None),
            f"{reference}_finding": of(lambda each: each.finding),
        },
    )


_DEFINITIONS = (
    _Definition(
        _energy,
        {
            "energy_j": lambda case: figures.joules(case.source),
            "uncertainty_j": lambda case: case.uncertainty,
            "provenance": lambda case: case.provenance,
        },
    ),
    _Definition(
        _per_unit,
        {
            "unit": lambda case: case.per_unit[0] if case.per_unit else None,
            "per_unit_j": lambda case: case.per_unit[1] if case.per_unit else None,
        },
    ),
    _Definition(_facility, {"facility_j": lambda case: case.source.facility_j}),
    _Definition(_carbon, {"co2e_g": lambda case: case.co2e_g}),
    _Definition(_time, {"duration_s": lambda case: case.source.duration_s}),
    _changes("stored"),
    _changes("group"),
    _changes("pair"),
    _Definition(
        _accuracy,
        {
            "accuracy": lambda case: case.accuracy.value,
            "accuracy_finding": lambda case: case.accuracy_finding or None,
        },
    ),
    _Definition(_rounds, {"rounds": lambda case: len(case.source.rounds)}),
)
