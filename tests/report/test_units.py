"""Figures in words: units by size, digits by uncertainty."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.report import units
from pytest_energybench.report.units import MINUS, Quantity


@pytest.mark.parametrize(
    ("joules", "text"),
    [
        (0.0000012, "1.20 µJ"),
        (0.0042, "4.20 mJ"),
        (0.99999, "1.00 J"),
        (999.6, "1.00 kJ"),
        (999.4, "999 J"),
        (12_345.0, "12.3 kJ"),
        (3.6e6, "3.60 MJ"),
        (4.2e13, "42,000 GJ"),
        (0, "0 J"),
        (-12.34, f"{MINUS}12.3 J"),
    ],
)
def test_unit_follows_size_after_rounding(joules, text):
    assert units.energy(joules).text == text


@pytest.mark.parametrize(
    ("uncertainty", "text"),
    [
        (None, "12.3 kJ"),
        (0.001, "12.35 kJ"),
        (120.0, "12.35 kJ"),
        (370.0, "12.35 kJ"),
        (3_700.0, "12.3 kJ"),
        (9_000_000.0, "12 kJ"),
    ],
)
def test_digits_follow_uncertainty(uncertainty, text):
    assert units.energy(12_346.0, uncertainty=uncertainty).text == text


def test_estimate_carries_a_tilde():
    assert units.energy(12_345.0, estimated=True).text == "~12.3 kJ"


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_unknown_is_never_zero(value):
    assert units.energy(value).text == units.UNKNOWN


def test_watt_hours_stand_beside_from_one_on():
    assert units.energy_both(3_599.0) == "3.60 kJ"
    assert units.energy_both(36_000.0) == "36.0 kJ (10.0 Wh)"
    assert units.energy_both(36e6, estimated=True) == "~36.0 MJ (~10.0 kWh)"


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0.0000648, "64.8 µs"),
        (0.85, "850 ms"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (125.0, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (4980.0, "1 h 23 min"),
        (None, units.UNKNOWN),
    ],
)
def test_seconds(duration, text):
    assert units.seconds(duration) == text


@pytest.mark.parametrize(
    ("ratio", "uncertainty", "text"),
    [
        (-0.382, None, f"{MINUS}38.2 %"),
        (0.02, 0.2, "+2 %"),
        (0.0234, 0.018, "+2.3 %"),
        (0.02346, 0.0002, "+2.35 %"),
        (-0.0001, None, "0.0 %"),
        (12.0, None, "+1,200.0 %"),
        (None, None, units.UNKNOWN),
    ],
)
def test_percent(ratio, uncertainty, text):
    assert units.percent(ratio, uncertainty=uncertainty) == text


def test_interval_has_one_precision():
    assert units.interval((-0.4012, -0.3621)) == f"{MINUS}40.1 to {MINUS}36.2 %"
    assert units.interval(None) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567, "1,234,567"), (0.6094, "0.6094"), (1e-9, "1.000e-09"), (-3.0, f"{MINUS}3")],
)
def test_number(value, text):
    assert units.number(value) == text


def test_column_shares_a_unit_where_that_stays_readable():
    near = units.energy_column([(940.0, None, False), (14_200.0, None, False), (2e3, None, False)])
    assert [q.unit for q in near] == ["kJ"] * 3
    far = units.energy_column([(0.0042, None, False), (5_400.0, None, False)])
    assert [q.unit for q in far] == ["mJ", "kJ"]


def test_aligned_column_has_points_and_units_under_each_other():
    column = [Quantity("12.34", "kJ"), Quantity("250", "J", True), Quantity("9.1", "kJ")]
    lines = [line.rjust(12) for line in units.align(column)]
    assert len({line.index("J") - ("kJ" in line) for line in lines}) == 1
    assert lines[0].index(".") == lines[2].index(".")


@given(
    st.floats(1e-12, 1e12),
    st.none() | st.floats(1e-12, 1e12),
)
def test_what_is_written_is_what_was_meant(joules, uncertainty):
    text = units.energy(joules, uncertainty=uncertainty)
    scale = {"µJ": 1e-6, "mJ": 1e-3, "J": 1, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9}[text.unit]
    back = float(text.number.replace(",", "")) * scale
    assert back == pytest.approx(joules, rel=0.051)
    digits = re.sub(r"[^0-9]", "", text.number).lstrip("0")
    assert len(digits) >= 2
