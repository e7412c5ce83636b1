"""Whatever a test recorded, as something that a file can hold: one odd case never costs the others.

JSON in UTF-8 has no NaN, no infinity and no half of a surrogate pair, and readers of it have no
integers beyond 64 bits. Parameters and metrics like that are kept as text. A figure like that is no
figure: it becomes unknown, and the case says so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from pytest_energybench.results.errors import one_line
from pytest_energybench.results.model import (
    LARGEST,
    LARGEST_INT,
    Case,
    Comparison,
    Round,
    Run,
    Scalar,
    Search,
    Series,
    Window,
)
from pytest_energybench.results.run_file import ContentError, check_encodable

LONGEST = 200
"""Characters of an object's name or of what it prints."""

Point = tuple[float, float]
Part = TypeVar("Part", Case, Round, Window)


def scalar(value: object) -> Scalar:
    """A Python object as a parameter, metric or setting of a run.

    Numbers, texts and None stay what they are where a file can hold them, else they become text.
    Of other objects the name is kept, or their type: what they print may be anything, a password
    too. Nothing that an object raises gets through.
    """
    try:
        return _scalar(value)
    except Exception:  # a proxy may raise at any attribute, even at `isinstance`
        own_name = type.__dict__["__name__"]  # a class of its class may raise at that one, too
        return text(own_name.__get__(type(value)))


def text(value: str) -> str:
    """The text with halves of surrogate pairs written as escapes: `\\ud800`."""
    if value.isascii():
        return str.__str__(value)
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def storable_case(case: Case) -> Case:
    """The case as a file can hold it; the same one where it can be held as it is.

    What can't be held of its figures is unknown then and told among its errors. A case that can't
    be held at all is kept by name, as an error that says why.
    """
    if _fault(case) is None:
        return case
    repaired = _repaired(case)
    fault = _fault(repaired)
    if fault is None:
        return repaired
    return Case(
        nodeid=text(case.nodeid),
        name=text(case.name),
        outcome="error",
        errors=[text(one_line(f"the case's figures can't be written: {fault}"))],
    )


def storable_head(run: Run) -> Run:
    """The run with texts and settings that a file can hold; its cases are left alone."""
    if _fault(replace(run, cases=[])) is None:
        return run
    settings = _scalars(run.settings)
    head = replace(run, cases=[], settings=settings)
    plain = _with_texts(msgspec.to_builtins(head))
    return replace(msgspec.convert(plain, Run), cases=run.cases)


def _fault(value: Case | Run) -> str | None:
    try:
        check_encodable(value, "$")
    except ContentError as error:
        return str(error)
    return None


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return int(value) if -LARGEST_INT <= value <= LARGEST_INT else _long(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    name = getattr(value, "__name__", None) or getattr(value, "name", None)
    if not isinstance(name, str):
        name = str(value) if _is_plain(value) else type(value).__name__
    return text(name)[:LONGEST]


def _long(value: int) -> str:
    bits = value.bit_length()
    return str(int(value)) if bits <= 1024 else f"an integer of {bits} bits"


def _is_plain(value: object) -> bool:
    """Whether what a value prints is what it is: numbers, paths, and collections of those."""
    if isinstance(value, tuple | list | frozenset | set):
        return all(_is_plain(each) for each in value)
    return value is None or isinstance(value, str | bytes | Number | os.PathLike)


def _repaired(case: Case) -> Case:
    flags: list[str] = []
    series = [_series(each, flags) for each in case.series]
    search = None if case.search is None else _search(case.search, flags)
    rounds = [_figures(each) for each in case.rounds]
    windows = [_figures(each) for each in case.windows]
    whole = _figures(case)
    void = _totals(whole, rounds, windows) < _totals(case, case.rounds, case.windows)
    lost = ["a figure is no energy, so the total is not known"] if void else []
    return replace(
        whole,
        nodeid=text(case.nodeid),
        name=text(case.name),
        group=None if case.group is None else text(case.group),
        params=_scalars(case.params),
        metrics=_scalars(case.metrics),
        facility_j=case.facility_j if whole.total_j is not None else None,
        rounds=rounds,
        windows=[
            replace(each, name=text(each.name), errors=[*map(text, each.errors)])
            for each in windows
        ],
        series=series,
        search=search,
        errors=[*map(text, case.errors), *lost],
        flags=[*map(text, case.flags), *flags],
        comparisons=[_comparison(each) for each in case.comparisons],
        result=None,  # follows from the comparisons
    )


def _figures(part: Part) -> Part:
    """The same with all joules that are joules; without one of them there is no total."""
    joules = _joules(part.energy_j)
    whole = len(joules) == len(part.energy_j) and _is_figure(part.total_j)
    changes: dict[str, Any] = {
        "energy_j": joules,
        "idle_j": _joules(part.idle_j),
        "total_j": part.total_j if whole else None,
        "duration_s": part.duration_s if _is_figure(part.duration_s) else 0.0,
        "flags": [*map(text, part.flags)],
    }
    if isinstance(part, Round):
        changes["metrics"] = _scalars(part.metrics)
    else:
        changes["provenance"] = {text(name): word for name, word in part.provenance.items()}
    return replace(part, **changes)


def _totals(case: Case, rounds: Sequence[Round], windows: Sequence[Window]) -> int:
    parts: Sequence[Case | Round | Window] = [case, *rounds, *windows]
    return sum(part.total_j is not None for part in parts)


def _joules(found: Mapping[str, float]) -> dict[str, float]:
    return {text(name): value for name, value in found.items() if _is_figure(value)}


def _is_figure(value: float | None) -> bool:
    return value is None or 0 <= value <= LARGEST


def _series(series: Series, flags: list[str]) -> Series:
    return replace(
        series,
        name=text(series.name),
        x=text(series.x),
        unit=text(series.unit),
        points=_finite(series.points, series.name, flags),
    )


def _search(search: Search, flags: list[str]) -> Search | None:
    if not math.isfinite(search.found):
        flags.append(f"the search over {text(search.parameter)} is left out: it found no number")
        return None
    earlier = [_search(each, flags) for each in search.earlier]
    return replace(
        search,
        parameter=text(search.parameter),
        curve=_finite(search.curve, search.parameter, flags),
        at_most=_finite(search.at_most, search.parameter, flags),
        energy_j=_joules(search.energy_j),
        total_j=search.total_j if _is_figure(search.total_j) else None,
        duration_s=search.duration_s if _is_figure(search.duration_s) else 0.0,
        earlier=[each for each in earlier if each is not None],
    )


def _finite(points: Sequence[Point], name: str, flags: list[str]) -> list[Point]:
    kept = [point for point in points if all(map(math.isfinite, point))]
    if len(kept) < len(points):
        flags.append(f"{len(points) - len(kept)} points of {text(name)} are not finite, left out")
    return kept


def _comparison(comparison: Comparison) -> Comparison:
    judged, interval = comparison.judged, comparison.interval
    return replace(
        comparison,
        name=text(comparison.name),
        nodeid=None if comparison.nodeid is None else text(comparison.nodeid),
        limit=_known(comparison.limit),
        estimate=_known(comparison.estimate),
        interval=interval if all(map(math.isfinite, interval or ())) else None,
        judged=None
        if judged is None
        else replace(judged, reason=text(judged.reason), text=text(judged.text)),
    )


def _known(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None


def _scalars(values: Mapping[str, object]) -> dict[str, Scalar]:
    return {text(name): scalar(value) for name, value in values.items()}


def _with_texts(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {text(key): _with_texts(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_with_texts(child) for child in value]
    return value
