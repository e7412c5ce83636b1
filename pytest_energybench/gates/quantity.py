"""Quantities as people write them (`40 Wh`, `90 s`, `3 %`), and figures as people read them.

Nothing is guessed: units are case-sensitive (`mJ` is not `MJ`) and exactly those listed, and text
without a unit is refused, since `40` may have meant joules or watt-hours. A number that is no text
is already in the unit the rest of the package computes in: joules, seconds, a fraction.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

ENERGY_UNITS: Mapping[str, float] = {
    "mJ": 1e-3,
    "J": 1.0,
    "kJ": 1e3,
    "MJ": 1e6,
    "Wh": 3600.0,
    "kWh": 3.6e6,
}
"""Unit of energy -> joules."""

DURATION_UNITS: Mapping[str, float] = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
"""Unit of time -> seconds."""

_FRACTION_UNITS: Mapping[str, float] = {"%": 1e-2}

_QUANTITY = re.compile(
    r"\s*(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(?P<unit>\D*?)\s*",
)


class QuantityError(ValueError):
    """A quantity that cannot be taken as it is written; the message is one line."""


def parse_energy(value: str | float) -> float:
    """Joules from `"40 Wh"` (mJ, J, kJ, MJ, Wh, kWh) or from a plain number of joules.

    Raises:
        QuantityError: another unit, none, or a figure that is negative or not finite.
    """
    return _parse(value, "an energy", ENERGY_UNITS)


def parse_duration(value: str | float) -> float:
    """Seconds from `"90 s"` (ms, s, min, h) or from a plain number of seconds.

    Raises:
        QuantityError: another unit, none, or a figure that is negative or not finite.
    """
    return _parse(value, "a duration", DURATION_UNITS)


def parse_fraction(value: str | float) -> float:
    """A fraction from a percentage, `"3 %"` (0.03), or from a plain number (0.03).

    Raises:
        QuantityError: no percent sign, or a figure that is negative or not finite.
    """
    return _parse(value, "a percentage", _FRACTION_UNITS)


def _parse(value: str | float, what: str, units: Mapping[str, float]) -> float:
    allowed = ", ".join(units)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise QuantityError(
            f"{_short(value)} is not {what}: a number or text with a unit ({allowed})"
        )
    if isinstance(value, str):
        match = _QUANTITY.fullmatch(value)
        if match is None:
            raise QuantityError(f"{_short(value)} is not {what}: a number and a unit ({allowed})")
        unit = match["unit"]
        if not unit:
            raise QuantityError(f"{_short(value)} is not {what}: it has no unit ({allowed})")
        if unit not in units:
            raise QuantityError(
                f"{_short(value)} is not {what}: unit {unit!r} is none of {allowed}"
            )
        amount = float(match["number"]) * units[unit]
    else:
        try:
            amount = float(value)
        except OverflowError:
            amount = math.inf
    if not math.isfinite(amount):
        raise QuantityError(f"{_short(value)} is not {what}: it is not finite ({allowed})")
    if amount < 0:
        raise QuantityError(f"{_short(value)} is not {what}: it is negative ({allowed})")
    return amount + 0.0  # -0.0 becomes 0.0


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        return "the number"
    return text if len(text) <= 60 else f"{text[:57]}..."


def format_energy(joules: float, digits: int = 3) -> str:
    """Joules with the unit that keeps the figure short: `41.2 kJ`."""
    magnitude = abs(joules)
    unit = next(
        (unit for unit in ("MJ", "kJ", "J") if magnitude >= ENERGY_UNITS[unit]),
        "mJ" if magnitude else "J",
    )
    return f"{_significant(joules / ENERGY_UNITS[unit], digits)} {unit}"


def format_energies(first: float, second: float) -> tuple[str, str]:
    """Two energies side by side, with as many digits as it takes to tell them apart (up to 9)."""
    return _tell_apart(first, second, format_energy)


def format_duration(seconds: float, digits: int = 3) -> str:
    """Seconds with the unit that keeps the figure short: `1.50 min`."""
    magnitude = abs(seconds)
    unit = next(
        (unit for unit in ("h", "min", "s") if magnitude >= DURATION_UNITS[unit]),
        "ms" if magnitude else "s",
    )
    return f"{_significant(seconds / DURATION_UNITS[unit], digits)} {unit}"


def format_durations(first: float, second: float) -> tuple[str, str]:
    """Two durations side by side, with as many digits as it takes to tell them apart (up to 9)."""
    return _tell_apart(first, second, format_duration)


def format_percentage(fraction: float) -> str:
    """A margin or limit without needless digits: 0.03 is `3 %`."""
    return f"{100 * fraction:.4g} %"


def format_change(fraction: float) -> str:
    """A relative change with its sign: 0.084 is `+8.4 %`."""
    percent = 100 * fraction
    if 0 < abs(percent) < 0.05:
        return f"{percent:+.1g} %"
    return f"{percent:+.1f} %"


def format_points(fraction: float) -> str:
    """A signed difference of two fractions in percentage points: -0.01 is `-1.00 points`."""
    return f"{100 * fraction:+.2f} points"


def _significant(number: float, digits: int) -> str:
    if number == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(number)))
    return f"{number:.{max(0, decimals)}f}"


def _tell_apart(first: float, second: float, write: Callable[[float, int], str]) -> tuple[str, str]:
    pair = write(first, 3), write(second, 3)
    for digits in range(4, 10):
        if pair[0] != pair[1]:
            break
        pair = write(first, digits), write(second, digits)
    return pair if pair[0] != pair[1] else (write(first, 3), write(second, 3))
