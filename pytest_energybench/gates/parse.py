"""Quantities as people write them: `40 Wh`, `0.4 J/token`, `90 s`, `3 %`.

Nothing is guessed. Units are case-sensitive (`mJ` is not `MJ`) and exactly those listed, and text
without a unit is refused, since `40` may have meant joules or watt-hours. A number that is no text
is already in the unit the package computes in: joules, seconds, a fraction.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from pytest_energybench.exceptions import EnergyBenchError

__tracebackhide__ = True  # a user's mistake is shown at the user's line

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

LONGEST_S = 1e6 * DURATION_UNITS["h"]
"""More than any work takes, and little enough for timers, which count in 64 bits."""

_FRACTION_UNITS: Mapping[str, float] = {"%": 1e-2}

SPELT: Mapping[str, str] = {
    "joule": "J",
    "joules": "J",
    "watt-hours": "Wh",
    "sec": "s",
    "seconds": "s",
    "minutes": "min",
    "hours": "h",
    "percent": "%",
}
"""What people write -> the unit."""

POWERS = ("w", "mw", "kw", "watt", "watts")

_QUANTITY = re.compile(
    r"\s*(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(?P<unit>\D*?)\s*"
)


_UNIT = re.compile(r"[^\W\d][\w-]*")


class QuantityError(EnergyBenchError, ValueError):
    """A quantity that cannot be taken as it is written; the message is one line."""


def parse_energy(value: str | float) -> float:
    """Joules from `"40 Wh"` (mJ, J, kJ, MJ, Wh, kWh) or from a plain number of joules.

    Raises:
        QuantityError: another unit, none, or a figure that is negative or not finite.
    """
    return _parse(value, "an energy", ENERGY_UNITS)


class EnergyLimit(NamedTuple):
    """A limit on energy.

    Attributes:
        joules: of a whole case, or per one of its functional units.
        unit: the functional unit, e.g. `token`; empty for a whole case.
    """

    joules: float
    unit: str = ""


def parse_energy_limit(value: str | float) -> EnergyLimit:
    """A limit from `"40 Wh"`, `"0.4 J/token"` or a plain number of joules.

    Raises:
        QuantityError: as for an energy, or what stands behind the slash is no word for a unit.
    """
    if not isinstance(value, str) or "/" not in value:
        return EnergyLimit(parse_energy(value))
    energy, _, unit = value.partition("/")
    if unit.strip() in DURATION_UNITS:
        return EnergyLimit(parse_energy(value))  # a power, which it refuses with a hint
    return EnergyLimit(parse_energy(energy), parse_unit(unit.strip()))


def parse_unit(name: str) -> str:
    """The name of a functional unit: one word, e.g. `token`, `image`, `request`.

    Raises:
        QuantityError: it is no word, or a unit of time, of which energy is power.
    """
    if _UNIT.fullmatch(name) is None:
        raise QuantityError(f"{short(name)} is no functional unit: one word, e.g. J/token")
    if name in DURATION_UNITS:
        raise QuantityError(f"{name!r} is no functional unit: energy per time is power")
    return name


def parse_duration(value: str | float) -> float:
    """Seconds from `"90 s"` (ms, s, min, h) or from a plain number of seconds.

    Raises:
        QuantityError: another unit, none, or a figure that is negative, not finite or longer than
            any clock can wait.
    """
    duration_s = _parse(value, "a duration", DURATION_UNITS)
    if duration_s > LONGEST_S:
        longest = f"{LONGEST_S / DURATION_UNITS['h']:,.0f} h"
        raise QuantityError(f"{short(value)} is not a duration: it is longer than {longest}")
    return duration_s


def parse_fraction(value: str | float) -> float:
    """A fraction from a percentage, `"3 %"` (0.03), or from a plain number (0.03).

    Raises:
        QuantityError: no percent sign, or a figure that is negative or not finite.
    """
    return _parse(value, "a percentage", _FRACTION_UNITS)


def parse_margin(value: str | float, name: str = "margin") -> float:
    """A relative increase that is tolerated: `"3 %"` or 0.03.

    Raises:
        QuantityError: as for a percentage; or a plain number of 1 or more, which was most likely
            meant in percent. A text says it on purpose: `"150 %"`.
    """
    fraction = parse_fraction(value)
    if fraction >= 1 and not isinstance(value, str):
        raise QuantityError(
            f"{name}={value:g} would allow {100 * fraction:g} % more; {value:g} % is"
            f' {fraction / 100:g} or "{value:g} %"'
        )
    return fraction


def parse_drop(value: str | float, name: str = "max_drop") -> float:
    """A drop of accuracy that is tolerated, absolute: 0.01 is one point.

    Raises:
        QuantityError: as for a margin.
    """
    fraction = parse_fraction(value)
    if fraction >= 1 and not isinstance(value, str):
        points = "one point is" if value == 1 else f"{value:g} points are"
        raise QuantityError(
            f"{name}={value:g} would allow {100 * fraction:g} points; {points} {fraction / 100:g}"
        )
    return fraction


def parse_accuracy(value: str | float, name: str = "accuracy") -> float:
    """A share of right answers, 0 to 1: 0.95, or `"95 %"`.

    Raises:
        QuantityError: as for a percentage, or above 1.
    """
    fraction = parse_fraction(value)
    if fraction > 1:
        meant = "" if isinstance(value, str) or value > 100 else f": {fraction / 100:g}"
        raise QuantityError(f"{name}={short(value)}: an accuracy is a fraction of 1{meant}")
    return fraction


def _parse(value: str | float, what: str, units: Mapping[str, float]) -> float:
    allowed = ", ".join(units)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise QuantityError(
            f"{short(value)} is not {what}: a number or text with a unit ({allowed})"
        )
    if isinstance(value, str):
        match = _QUANTITY.fullmatch(value)
        if match is None:
            raise QuantityError(f"{short(value)} is not {what}: a number and a unit ({allowed})")
        unit = match["unit"]
        if not unit:
            raise QuantityError(f"{short(value)} is not {what}: it has no unit ({allowed})")
        if unit not in units:
            hint = _hint(match["number"], unit, units)
            raise QuantityError(
                f"{short(value)} is not {what}: unit {unit!r} is none of {allowed}{hint}"
            )
        amount = float(match["number"]) * units[unit]
    else:
        try:
            amount = float(value)
        except OverflowError:
            amount = math.inf
    if not math.isfinite(amount):
        raise QuantityError(f"{short(value)} is not {what}: it is not finite ({allowed})")
    if amount < 0:
        raise QuantityError(f"{short(value)} is not {what}: it is negative ({allowed})")
    return amount + 0.0  # -0.0 becomes 0.0


def _hint(number: str, unit: str, units: Mapping[str, float]) -> str:
    """What was probably meant; empty where it can't be told."""
    near = [known for known in units if known.lower() == unit.lower()]
    near = [SPELT[unit.lower()]] if SPELT.get(unit.lower()) in units else near
    if near:
        return f"; did you mean {' or '.join(f'{number} {known}' for known in near)}?"
    if units is not ENERGY_UNITS:
        return ""
    if " per " in unit:
        return f"; did you mean {number} {unit.replace(' per ', '/')}?"
    above, _, below = unit.partition("/")
    if unit.lower() in POWERS or below in ("h", "s"):
        return f"; {unit} is power, an energy is e.g. {number} {above if above in units else 'Wh'}"
    if unit in ("uJ", "\u00b5J", "\u03bcJ"):  # the micro sign, and the Greek letter
        return f"; did you mean {1e-3 * float(number):g} mJ?"
    return ""


def short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        return "the number"
    return text if len(text) <= 60 else f"{text[:57]}..."
