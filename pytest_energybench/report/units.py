"""Joules, seconds and ratios as people read them.

A figure is printed to the digits its own uncertainty leaves standing: down to the second digit of
the uncertainty (JCGM 100:2008, 7.2.6), but never fewer than two digits nor more than four; without
a stated uncertainty three. Values inside the package are joules,
seconds and fractions; nothing here changes them, it only writes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MINUS = "\u2212"
UNKNOWN = "\u2013"
ESTIMATE_MARK = "~"
JOULES_PER_WH = 3600.0

_FEWEST, _MOST, _USUAL = 2, 4, 3
_JOULES = ((0, "J"), (3, "kJ"), (6, "MJ"), (9, "GJ"), (-3, "mJ"), (-6, "µJ"))
_WATT_HOURS = ((0, "Wh"), (3, "kWh"), (6, "MWh"), (-3, "mWh"))
_GRAMS = ((0, "g"), (3, "kg"), (6, "t"), (-3, "mg"))
_SECONDS = ((0, "s"), (-3, "ms"), (-6, "µs"))


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, written out; `estimated` figures carry a tilde."""

    number: str
    unit: str
    estimated: bool = False

    @property
    def text(self) -> str:
        """`~12.3 kJ`"""
        return f"{ESTIMATE_MARK if self.estimated else ''}{self.number} {self.unit}".rstrip()


NOT_KNOWN = Quantity(UNKNOWN, "")


def energy(
    joules: float | None, *, uncertainty: float | None = None, estimated: bool = False
) -> Quantity:
    """Joules in the unit that suits their size; `uncertainty` is absolute, in joules."""
    return _scaled(joules, _JOULES, uncertainty, estimated)


def watt_hours(
    joules: float | None, *, uncertainty: float | None = None, estimated: bool = False
) -> Quantity:
    """The same joules in mWh, Wh, kWh or MWh."""
    if joules is None:
        return NOT_KNOWN
    u = None if uncertainty is None else uncertainty / JOULES_PER_WH
    return _scaled(joules / JOULES_PER_WH, _WATT_HOURS, u, estimated)


def energy_both(
    joules: float | None, *, uncertainty: float | None = None, estimated: bool = False
) -> str:
    """`12.3 kJ (3.42 Wh)`: with watt-hours beside it from one watt-hour on."""
    text = energy(joules, uncertainty=uncertainty, estimated=estimated).text
    if joules is None or abs(joules) < JOULES_PER_WH:
        return text
    beside = watt_hours(joules, uncertainty=uncertainty, estimated=estimated).text
    return f"{text} ({beside})"


def energy_column(
    figures: Sequence[tuple[float | None, float | None, bool]],
) -> list[Quantity]:
    """Figures (joules, uncertainty, estimated) of one column, comparable at a glance.

    They share the unit of their median as long as that leaves each of them readable; otherwise
    each has the unit of its own size.
    """
    known = sorted(abs(joules) for joules, _, _ in figures if joules)
    if not known:
        return [energy(joules, uncertainty=u, estimated=e) for joules, u, e in figures]
    unit = _unit_for(known[len(known) // 2], _JOULES)
    shared = known[-1] < 10 ** (unit[0] + 4) and known[0] >= 10 ** (unit[0] - 2)
    table = (unit,) if shared else _JOULES
    return [_scaled(joules, table, u, e) for joules, u, e in figures]


def seconds(duration_s: float | None, *, uncertainty: float | None = None) -> str:
    """`850 ms`, `12.3 s`, `2 min 05 s`, `1 h 23 min`."""
    if duration_s is None or not math.isfinite(duration_s):
        return UNKNOWN
    if abs(duration_s) < 59.95:
        return _scaled(duration_s, _SECONDS, uncertainty, False).text
    if abs(duration_s) < 3599.5:
        minutes, rest = divmod(round(duration_s), 60)
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(duration_s / 60), 60)
    return f"{hours:,} h {minutes:02d} min"


def percent(ratio: float | None, *, uncertainty: float | None = None, signed: bool = True) -> str:
    """A fraction in percent; `uncertainty` is in the fraction's own unit.

    One decimal where no uncertainty is known; more only where the uncertainty allows it.
    """
    if ratio is None or not math.isfinite(ratio):
        return UNKNOWN
    decimals = 1
    if uncertainty and math.isfinite(uncertainty):
        decimals = min(2, max(0, 1 - math.floor(math.log10(uncertainty * 100))))
    return f"{_signed(ratio * 100, decimals) if signed else _plain(ratio * 100, decimals)} %"


def interval(bounds: tuple[float, float] | None) -> str:
    """Lower and upper bound of a relative change, `−40.1 to −36.2 %`."""
    if bounds is None:
        return ""
    low, high = bounds
    half = (high - low) / 2
    low_text = percent(low, uncertainty=half).removesuffix(" %")
    return f"{low_text} to {percent(high, uncertainty=half)}"


def points(difference: float | None) -> str:
    """A difference of fractions in percentage points, `−0.4`."""
    if difference is None or not math.isfinite(difference):
        return UNKNOWN
    return _signed(difference * 100, 1)


def accuracy(fraction: float | None) -> str:
    """A share of right answers as `0.985`; three digits resolve a test split of a thousand."""
    if fraction is None or not math.isfinite(fraction):
        return UNKNOWN
    return _plain(fraction, 3)


def grams(value: float, *, estimated: bool = False) -> Quantity:
    """A mass of CO2e, two digits: an intensity is rarely known better."""
    return _scaled(value, _GRAMS, abs(value), estimated)


def watts(value: float) -> str:
    """A power, three digits."""
    return _scaled(value, ((0, "W"), (3, "kW"), (-3, "mW")), None, False).text


def number(value: float, digits: int = 4) -> str:
    """A plain number to `digits` significant digits, thousands separated, no exponent in reach."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return _plain(value, 0)
    if not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{digits - 1}e}"
    return _plain(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def align(quantities: Iterable[Quantity], *, pad: str = " ", point: str = " ") -> list[str]:
    """Texts of a column padded so that decimal points and units stand under each other.

    Args:
        pad: stands for a digit (U+2007 where digits are tabular, a space in a terminal).
        point: stands for a decimal point (U+2008).
    """
    column = list(quantities)
    decimals = max((len(q.number.partition(".")[2]) for q in column), default=0)
    width = max((len(q.unit) for q in column), default=0)
    lines = []
    for q in column:
        _, dot, fraction = q.number.partition(".")
        filler = pad * (decimals - len(fraction)) + (point if decimals and not dot else "")
        if q is NOT_KNOWN:
            filler = ""
        mark = ESTIMATE_MARK if q.estimated else ""
        lines.append(f"{mark}{q.number}{filler} {q.unit}{pad * (width - len(q.unit))}")
    return lines


def _unit_for(magnitude: float, table: tuple[tuple[int, str], ...]) -> tuple[int, str]:
    fitting = [entry for entry in table if magnitude >= 10.0 ** entry[0]]
    return max(fitting, default=min(table))


def _scaled(
    value: float | None,
    table: tuple[tuple[int, str], ...],
    uncertainty: float | None,
    estimated: bool,
) -> Quantity:
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    if value == 0:
        return Quantity("0", table[0][1], estimated)
    place = _last_place(value, uncertainty)
    rounded = round(value, -place)
    place = max(place, _last_place(rounded, uncertainty))  # 9.996 became 10.00: one digit too many
    exponent, unit = _unit_for(abs(rounded), table)
    return Quantity(_plain(rounded / 10.0**exponent, max(0, exponent - place)), unit, estimated)


def _last_place(value: float, uncertainty: float | None) -> int:
    """Power of ten of the last digit worth printing."""
    first = math.floor(math.log10(abs(value)))
    if not uncertainty or not math.isfinite(uncertainty):
        return first - _USUAL + 1
    place = math.floor(math.log10(abs(uncertainty))) - 1
    return min(max(place, first - _MOST + 1), first - _FEWEST + 1)


def _plain(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return text.lstrip("-")
    return text.replace("-", MINUS)


def _signed(value: float, decimals: int) -> str:
    text = _plain(value, decimals)
    zero = float(text.replace(",", "").replace(MINUS, "-")) == 0
    return text if zero or text.startswith(MINUS) else f"+{text}"
