"""Metrics that a test records beside its joules, checked on the way in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_energybench.results.model import Scalar


def checked_metrics(metrics: Mapping[str, Any]) -> dict[str, Scalar]:
    """Plain numbers and strings, with `accuracy` = correct / total where both are given.

    Raises:
        TypeError: a value is neither a number, a string, a bool nor None.
        ValueError: a number is not finite, or correct and total do not fit each other.
    """
    checked = {name: _scalar(name, value) for name, value in metrics.items()}
    correct, total = checked.get("correct"), checked.get("total")
    if isinstance(correct, int | float) and isinstance(total, int | float):
        if not 0 <= correct <= total or total <= 0:
            raise ValueError(
                f"energy.record(correct={correct}, total={total}): 0 <= correct <= total, total > 0"
            )
        checked["accuracy"] = correct / total
    return checked


def _scalar(name: str, value: Any) -> Scalar:
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()  # a NumPy or torch scalar
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"energy.record({name}={value}): a metric is a finite number")
        return value
    raise TypeError(
        f"energy.record({name}=...): a metric is a number, a string, a bool or None,"
        f" not {type(value).__name__}"
    )
