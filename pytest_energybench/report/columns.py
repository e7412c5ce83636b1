"""The columns of the table of cases, in one place for its head, its rows and its sorting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_energybench.report import figures, units
from pytest_energybench.report.view import CaseView, Cell, RunView

_DIGIT_WIDE = "\u2007"
_POINT_WIDE = "\u2008"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of figures.

    Attributes:
        key: short name, used for hiding it.
        head: its title; `note` explains it.
        cells: one for each case, in the run's order.
        minor: left out where the page is narrow (the figure is in the unfolded row).
    """

    key: str
    head: str
    note: str
    cells: tuple[Cell, ...]
    minor: bool = False


def columns(view: RunView) -> tuple[Column, ...]:
    """The columns of figures that say anything in this run."""
    cases = view.cases
    found = [Column("energy", "Energy", "IT energy, median of the rounds", _energy(cases))]
    if view.has_facility:
        found.append(
            Column(
                "facility",
                "Facility",
                f"IT energy × PUE {view.pue:g}",
                _aligned(cases, [figures.finite(case.source.facility_j) for case in cases]),
                minor=True,
            )
        )
    found.append(
        Column("time", "Time", "median of the rounds", _cells(cases, _duration), minor=True)
    )
    if view.has_delta:
        judged = [case for case in cases if case.delta.value is not None]
        ratio = "a time ratio: both energies are estimated from CPU time"
        time_ratio = all(case.time_ratio for case in judged)
        found.append(
            Column(
                "delta",
                "Δ baseline" + (" (time ratio)" if time_ratio else ""),
                ratio if time_ratio else "change of energy against the baseline",
                _cells(cases, lambda case: case.delta),
            )
        )
    if view.has_accuracy:
        found.append(
            Column(
                "accuracy",
                "Accuracy",
                "as recorded by the test",
                _cells(cases, _accuracy),
                minor=True,
            )
        )
    if view.has_rounds:
        found.append(
            Column("rounds", "Rounds", "independent repetitions", _cells(cases, _rounds), True)
        )
    return tuple(found)


def _cells(cases: Sequence[CaseView], cell: Callable[[CaseView], Cell]) -> tuple[Cell, ...]:
    return tuple(map(cell, cases))


def _duration(case: CaseView) -> Cell:
    return case.duration


def _accuracy(case: CaseView) -> Cell:
    return case.accuracy


def _rounds(case: CaseView) -> Cell:
    number = len(case.source.rounds)
    return Cell(f"{number:,}" if number else units.UNKNOWN, number or None)


def _energy(cases: Sequence[CaseView]) -> tuple[Cell, ...]:
    texts = units.align((c.energy_column for c in cases), pad=_DIGIT_WIDE, point=_POINT_WIDE)
    values = [figures.joules(case.source) for case in cases]
    return tuple(Cell(text, value) for text, value in zip(texts, values, strict=True))


def _aligned(cases: Sequence[CaseView], values: Sequence[float | None]) -> tuple[Cell, ...]:
    quantities = units.energy_column(
        [(v, case.uncertainty, case.estimated) for v, case in zip(values, cases, strict=True)]
    )
    texts = units.align(quantities, pad=_DIGIT_WIDE, point=_POINT_WIDE)
    return tuple(Cell(text, value) for text, value in zip(texts, values, strict=True))
