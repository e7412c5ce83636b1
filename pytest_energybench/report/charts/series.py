"""Methods and the shape each is drawn with, the same on every chart of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_energybench.base.text import sanitize
from pytest_energybench.report.view import CaseView

SHAPES = 6
PARAMETER = "method"
BASELINE = "baseline"
"""The method that the others are compared with."""


@dataclass(frozen=True, slots=True)
class Series:
    """A method: its name and the number of its shape and colour."""

    name: str
    shape: int


def series(cases: Sequence[CaseView]) -> tuple[Series, ...]:
    """The methods in the order they appear; none where any case has no method."""
    if not cases or not all(PARAMETER in case.source.params for case in cases):
        return ()
    names = dict.fromkeys(method_of(case) for case in cases)
    return tuple(Series(name, index % SHAPES) for index, name in enumerate(names))


def method_of(case: CaseView) -> str:
    """The method's name as shown."""
    return sanitize(str(case.source.params.get(PARAMETER, "")))


def shapes(cases: Sequence[CaseView]) -> dict[str, int]:
    """Method name to the number of its shape."""
    return {entry.name: entry.shape for entry in series(cases)}
