"""Metrics that a test records beside its joules, checked on the way in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pytest_energybench.gates.parse import parse_accuracy, parse_unit, short
from pytest_energybench.results.model import LARGEST, Scalar
from pytest_energybench.results.storable import scalar

__tracebackhide__ = True  # a user's mistake is shown at the user's line


ROUNDED = 0.005
"""An accuracy may be written with two digits."""


def checked_metrics(
    metrics: Mapping[str, Any], earlier: Mapping[str, Scalar] | None = None
) -> dict[str, Scalar]:
    """Plain numbers and strings, with `accuracy` = correct / total where both are given.

    Args:
        earlier: what was recorded before, in place of which these come.

    Raises:
        TypeError: a value is neither a number, a string, a bool nor None.
        ValueError: a number is not finite; correct, total and accuracy do not fit each other, or
            the accuracy is no fraction.
    """
    given = {name: _scalar(name, value) for name, value in metrics.items()}
    checked = {**(earlier or {}), **given}
    correct, total = checked.get("correct"), checked.get("total")
    if isinstance(total, bool):
        raise ValueError(f"energy.record(total={total}): a number of images, not a truth value")
    if isinstance(correct, int | float) and isinstance(total, int | float):
        if not 0 <= correct <= total or total <= 0:
            raise ValueError(
                f"energy.record(correct={correct}, total={total}): 0 <= correct <= total, total > 0"
            )
        checked["accuracy"] = correct / total
        stated = given.get("accuracy")
        if isinstance(stated, int | float) and not abs(stated - correct / total) <= ROUNDED:
            raise ValueError(
                f"energy.record(accuracy={stated}): correct={correct} of total={total} give"
                f" {correct / total:.4g}"
            )
    accuracy = checked.get("accuracy")
    if isinstance(accuracy, int | float):
        parse_accuracy(float(accuracy), "energy.record(...): accuracy")
    return checked


def checked_counts(counts: Mapping[str, Any]) -> dict[str, float]:
    """Functional unit -> how many of it.

    Raises:
        TypeError: there is none, or a count is no number.
        ValueError: a count is negative or not finite, or a unit no word.
    """
    if not counts:
        raise TypeError("energy.per() counts functional units, e.g. energy.per(token=128)")
    found: dict[str, float] = {}
    for unit, given in counts.items():
        count = _unwrapped(given)
        if isinstance(count, bool) or not isinstance(count, int | float):
            raise TypeError(
                f"energy.per({unit}=...): a count is a number, not {type(given).__name__}"
            )
        if not 0 <= count <= LARGEST:
            raise ValueError(
                f"energy.per({unit}={short(count)}): a count is a finite number, 0 or more"
            )
        found[parse_unit(unit)] = float(count)
    return found


def _unwrapped(value: Any) -> Any:
    """What a NumPy or torch scalar holds; anything else as it is."""
    with suppress(Exception):  # a proxy may raise at any attribute; it is no number then
        if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
            return value.item()
    return value


def _scalar(name: str, value: Any) -> Scalar:
    value = _unwrapped(value)
    if value is None or isinstance(value, bool | str | int):
        return scalar(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"energy.record({name}={value}): a metric is a finite number")
        return value
    raise TypeError(
        f"energy.record({name}=...): a metric is a number, a string, a bool or None,"
        f" not {type(value).__name__}"
    )
