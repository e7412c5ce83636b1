"""Figures as people read them: the one writer of quantities.

A figure is printed to the digits its own uncertainty leaves standing: down to the second digit of
the uncertainty (JCGM 100:2008, 7.2.6), but never fewer than two digits nor more than four; without
a stated uncertainty three. A column has one unit and one precision. A minus sign is U+2212.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

MINUS = "\u2212"
UNKNOWN = "\u2013"
ESTIMATE_MARK = "~"
JOULES_PER_WH = 3600.0

_FEWEST, _MOST, _USUAL = 2, 4, 3
_MOST_IN_COLUMN = 5
_AS_TIMES = 10.0
_COARSEST = 0.05
"""An uncertainty that leaves a change one decimal."""
_FINEST = 6
"""Decimals of an accuracy, and of its change in points, at most: some ten million images."""
_Table = tuple[tuple[int, str], ...]
_JOULES: _Table = ((0, "J"), (3, "kJ"), (6, "MJ"), (9, "GJ"), (-3, "mJ"), (-6, "µJ"), (-9, "nJ"))
_WATT_HOURS = ((0, "Wh"), (3, "kWh"), (6, "MWh"), (-3, "mWh"))
_GRAMS = ((0, "g"), (3, "kg"), (6, "t"), (-3, "mg"))
_LITRES = ((0, "l"), (3, "m³"), (-3, "ml"))
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


def per(text: str, unit: str) -> str:
    """`0.412 J/token`; the text itself where the figure is of a whole case."""
    return f"{text}/{unit}" if unit else text


def energies(first: float, second: float, unit: str = "") -> tuple[str, str]:
    """Two energies side by side, with as many digits as it takes to tell them apart (up to 9).

    Args:
        unit: functional unit that they are per one of.
    """
    ours, theirs = _told_apart(first, second, _JOULES)
    return per(ours, unit), per(theirs, unit)


def energy_column(figures: Sequence[tuple[float | None, float | None, bool]]) -> list[Quantity]:
    """Figures (joules, uncertainty, estimated) of one column: one unit and one precision.

    Where no unit leaves each of them readable, each has the unit of its own size.
    """
    found = _column([joules for joules, _, _ in figures], _JOULES)
    return [
        replace(each, estimated=estimated and each is not NOT_KNOWN)
        for each, (_, _, estimated) in zip(found, figures, strict=True)
    ]


def duration_column(durations: Sequence[float | None]) -> list[Quantity]:
    """Seconds of one column: one unit and one precision, or as clocks show them (`2:59`)."""
    known = [each for each in durations if each is not None and math.isfinite(each) and each > 0]
    if known and max(known) >= 60 and min(known) >= 1:
        return _each(durations, lambda each: Quantity(clock(each), ""))
    return _column(durations, _SECONDS)


def clock(duration_s: float) -> str:
    """`2:59`, `1:02:03`; full seconds, cut off."""
    minutes, rest = divmod(math.floor(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


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


def durations(first: float, second: float) -> tuple[str, str]:
    """Two durations side by side, told apart like two energies."""
    pair = seconds(first), seconds(second)
    return pair if pair[0] != pair[1] else _told_apart(first, second, _SECONDS)


def percent(ratio: float | None, *, uncertainty: float | None = None, signed: bool = True) -> str:
    """A fraction in percent; `uncertainty` is in the fraction's own unit.

    One decimal where no uncertainty is known; more only where the uncertainty allows it. A change
    (`signed`) to ten times as much or more is written so: `3,760 times`.
    """
    if ratio is None or not math.isfinite(ratio):
        return UNKNOWN
    if signed and 1 + ratio >= _AS_TIMES:
        return f"{_plain(1 + ratio, 0)} times"
    decimals = 1
    if uncertainty and 0 < uncertainty < math.inf:
        decimals = min(2, max(0, 1 - math.floor(math.log10(uncertainty * 100))))
    return f"{_signed(ratio * 100, decimals) if signed else _plain(ratio * 100, decimals)} %"


def change(ratio: float | None, half: float | None) -> str:
    """A change in percent beside its bounds, `half` of what lies between them: never without a
    decimal, so that a bound above a limit isn't shown as equal to it."""
    return percent(ratio, uncertainty=None if half is None else min(half, _COARSEST))


def change_of(ratio: float, of: str) -> str:
    """A relative change in a sentence: `+8.4 %`, `+0.02 %`, `3,760 times the budget`."""
    if 1 + ratio >= _AS_TIMES:
        return f"{percent(ratio)} {of}"
    small = 0 < abs(ratio) < 5e-4
    return f"{ratio * 100:+.1g} %".replace("-", MINUS) if small else percent(ratio)


def share(fraction: float) -> str:
    """A margin or limit without needless digits: 0.03 is `3 %`."""
    return f"{100 * fraction:.4g} %"


def interval(bounds: tuple[float, float] | None) -> str:
    """Lower and upper bound of a relative change, `−40.1 to −36.2 %`."""
    if bounds is None:
        return ""
    low, high = bounds
    half = (high - low) / 2
    low_text, high_text = change(low, half), change(high, half)
    return f"{low_text.removesuffix(' %') if high_text.endswith('%') else low_text} to {high_text}"


def bounds(found: tuple[float, float] | None) -> str:
    """The same short, for a column or behind its change, with that one's precision:
    `[−40.1, −36.2]`."""
    if found is None:
        return ""
    low, high = map(percent, found)
    if high.endswith("%"):  # the change that stands before them has the same unit
        low, high = low.removesuffix(" %"), high.removesuffix(" %")
    return f"[{low}, {high}]"


def points(difference: float | None) -> str:
    """A difference of fractions in percentage points, `−0.4`."""
    if difference is None or not math.isfinite(difference):
        return UNKNOWN
    return _signed(difference * 100, 1)


def in_points(difference: float) -> str:
    """The same in a sentence, fine enough for one image of a test split: `−0.42 points`."""
    decimals = 2
    while 0 < abs(difference) * 100 < 0.5 * 10**-decimals and decimals < _FINEST:
        decimals += 1
    return f"{_signed(difference * 100, decimals)} points"


def points_interval(bounds: tuple[float, float] | None) -> str:
    """Lower and upper bound of a difference of accuracies, `−1.20 to +0.40 points`."""
    if bounds is None:
        return ""
    low, high = map(in_points, bounds)
    return f"{low.removesuffix(' points')} to {high}"


def points_bounds(bounds: tuple[float, float] | None) -> str:
    """The same short, behind the difference: `[−1.20, +0.40]`."""
    if bounds is None:
        return ""
    low, high = (in_points(each).removesuffix(" points") for each in bounds)
    return f"[{low}, {high}]"


def drop(fraction: float) -> str:
    """A drop of accuracy that is tolerated: `1 point`, `0.5 points`."""
    number = f"{100 * fraction:.4g}"
    return f"{number} {'point' if number == '1' else 'points'}"


def accuracy(fraction: float | None) -> str:
    """A share of right answers as `0.985`; three digits resolve a test split of a thousand."""
    if fraction is None or not math.isfinite(fraction):
        return UNKNOWN
    return _plain(fraction, 3)


def accuracies(first: float, second: float, *, fewest: int = 3) -> tuple[str, str]:
    """Two accuracies side by side, with as many digits as it takes to tell them apart."""
    for digits in range(fewest, _FINEST + 1):
        pair = _plain(first, digits), _plain(second, digits)
        if pair[0] != pair[1]:
            return pair
    return _plain(first, fewest), _plain(second, fewest)


def grams(value: float, *, estimated: bool = False) -> Quantity:
    """A mass of CO2e, two digits: an intensity is rarely known better."""
    return _scaled(value, _GRAMS, abs(value), estimated)


def litres(value: float) -> Quantity:
    """An estimated volume, two digits like a mass."""
    return _scaled(value, _LITRES, abs(value), True)


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

    `pad` stands for a digit (U+2007 where digits are tabular), `point` for a point (U+2008).
    """
    column = list(quantities)
    decimals = max((len(q.number.partition(".")[2]) for q in column), default=0)
    width = max((len(q.unit) for q in column), default=0)
    lines = []
    for q in column:
        _, dot, fraction = q.number.partition(".")
        filler = pad * (decimals - len(fraction)) + (point if decimals and not dot else "")
        filler = filler * (q.number != UNKNOWN)
        mark = ESTIMATE_MARK if q.estimated else ""
        lines.append(f"{mark}{q.number}{filler} {q.unit}{pad * (width - len(q.unit))}")
    return lines


def _each(values: Sequence[float | None], write: Callable[[float], Quantity]) -> list[Quantity]:
    return [NOT_KNOWN if v is None or not math.isfinite(v) else write(v) for v in values]


def _column(values: Sequence[float | None], table: _Table) -> list[Quantity]:
    """In one unit, with the decimals that leave the largest three digits and the smallest two."""
    known = sorted(abs(each) for each in values if each and math.isfinite(each))
    if known:
        exponent, unit = _unit_for(known[len(known) // 2], table)
        first, last = (math.floor(math.log10(known[end])) - exponent for end in (0, -1))
        decimals = max(0, _USUAL - 1 - last, _FEWEST - 1 - first)
        if last + 1 + decimals <= _MOST_IN_COLUMN:
            return _each(
                values, lambda each: Quantity(_plain(each / 10.0**exponent, decimals), unit)
            )
    return [_scaled(each, table, None, False) for each in values]


def _told_apart(first: float, second: float, table: _Table) -> tuple[str, str]:
    for digits in range(_USUAL, 10):
        ours, theirs = (
            _scaled(each, table, abs(each) * 10.0 ** (2 - digits), False, most=digits).text
            for each in (first, second)
        )
        if ours != theirs:
            return ours, theirs
    return (same := _scaled(first, table, None, False).text), same


def _unit_for(magnitude: float, table: _Table) -> tuple[int, str]:
    fitting = [entry for entry in table if magnitude >= 10.0 ** entry[0]]
    return max(fitting, default=min(table))


def _scaled(
    value: float | None,
    table: _Table,
    uncertainty: float | None,
    estimated: bool,
    most: int = _MOST,
) -> Quantity:
    if value is None or not math.isfinite(value):
        return NOT_KNOWN
    if value == 0:
        return Quantity("0", table[0][1], estimated)
    place = _last_place(value, uncertainty, most)
    rounded = round(value, -place)
    # 9.996 became 10.00: one digit too many.
    place = max(place, _last_place(rounded, uncertainty, most))
    exponent, unit = _unit_for(abs(rounded), table)
    return Quantity(_plain(rounded / 10.0**exponent, max(0, exponent - place)), unit, estimated)


def _last_place(value: float, uncertainty: float | None, most: int) -> int:
    """Power of ten of the last digit worth printing."""
    first = math.floor(math.log10(abs(value)))
    if not uncertainty or not math.isfinite(uncertainty):
        return first - _USUAL + 1
    place = math.floor(math.log10(abs(uncertainty))) - 1
    return min(max(place, first - most + 1), first - _FEWEST + 1)


def _plain(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return text.lstrip("-")
    return text.replace("-", MINUS)


def _signed(value: float, decimals: int) -> str:
    text = _plain(value, decimals)
    zero = float(text.replace(",", "").replace(MINUS, "-")) == 0
    return text if zero or text.startswith(MINUS) else f"+{text}"
