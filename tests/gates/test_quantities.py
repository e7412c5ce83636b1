"""Quantities as people write them, and figures as people read them."""

import math
import os
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.gates import quantities
from pytest_energybench.gates.parse import (
    QuantityError,
    parse_accuracy,
    parse_drop,
    parse_duration,
    parse_energy,
    parse_fraction,
    parse_margin,
)
from pytest_energybench.gates.quantities import MINUS, Quantity


@pytest.mark.parametrize(
    ("text", "joules"),
    [
        ("1 mJ", 0.001),
        ("1 J", 1.0),
        ("2.5kJ", 2500.0),
        ("1 MJ", 1e6),
        ("40 Wh", 144_000.0),
        ("0.04 kWh", 144_000.0),
        (" 1e3 J ", 1000.0),
        ("+.5 J", 0.5),
        ("0 J", 0.0),
        (12, 12.0),
        (0.25, 0.25),
    ],
)
def test_energies_are_read_in_joules(text, joules):
    assert parse_energy(text) == pytest.approx(joules, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5 ms", 0.005), ("90 s", 90.0), ("2 min", 120.0), ("1.5 h", 5400.0)]
)
def test_durations_are_read_in_seconds(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


def test_percentages_are_read_as_fractions_and_plain_numbers_are_fractions_already():
    assert parse_fraction("3 %") == pytest.approx(0.03)
    assert parse_fraction("0.5%") == pytest.approx(0.005)
    assert parse_fraction(0.03) == 0.03


@pytest.mark.parametrize(
    "unit", ["kwh", "MWh", "j", "mj", "KJ", "W", "s", "%", "Wh/s", "J J", "Ｊ"]
)
def test_another_unit_is_refused_by_name_with_the_allowed_ones(unit):
    with pytest.raises(QuantityError) as refusal:
        parse_energy(f"40 {unit}")
    message = str(refusal.value)
    assert repr(unit) in message
    assert "mJ, J, kJ, MJ, Wh, kWh" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("40", "it has no unit"),
        ("", "a number and a unit"),
        ("Wh", "a number and a unit"),
        ("nan J", "a number and a unit"),
        ("inf J", "a number and a unit"),
        ("1,5 J", "unit"),
        ("-3 J", "negative"),
        (-3, "negative"),
        (math.nan, "not finite"),
        (math.inf, "not finite"),
        ("1e400 J", "not finite"),
        ("1e308 kWh", "not finite"),
        (10**400, "not finite"),
        (True, "a number or text"),
        (None, "a number or text"),
        (["40 J"], "a number or text"),
    ],
)
def test_what_is_no_energy_is_refused_with_the_reason(value, why):
    with pytest.raises(QuantityError, match=why):
        parse_energy(value)


def test_a_duration_is_one_that_clocks_can_wait_for():
    longest = parse_duration("1000000 h")
    assert longest < threading.TIMEOUT_MAX or os.name == "nt"
    with pytest.raises(QuantityError, match="is longer than 1,000,000 h"):
        parse_duration("99999999999 s")


def test_a_percentage_needs_its_sign():
    with pytest.raises(QuantityError, match="no unit"):
        parse_fraction("3")
    with pytest.raises(QuantityError, match="unit 'percent'"):
        parse_fraction("3 percent")


def test_a_number_too_long_to_print_is_refused_too():
    with pytest.raises(QuantityError, match="not finite"):
        parse_energy(10**5000)
    with pytest.raises(QuantityError, match="not finite"):
        parse_energy(-(10**5000))


def answer(value):
    """The energy, or the refusal's message."""
    try:
        return parse_energy(value)
    except QuantityError as refusal:
        return str(refusal)


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans())
def test_whatever_is_handed_in_the_answer_is_a_finite_energy_or_one_line(value):
    given_back = answer(value)
    if isinstance(given_back, str):
        assert len(given_back.splitlines()) == 1
    else:
        assert math.isfinite(given_back)
        assert given_back >= 0


@pytest.mark.parametrize(
    ("parse", "value", "meant"),
    [
        (parse_margin, 3, 'margin=3 would allow 300 % more; 3 % is 0.03 or "3 %"'),
        (parse_margin, 1.5, "margin=1.5 would allow 150 % more; 1.5 % is 0.015"),
        (parse_drop, 1, "max_drop=1 would allow 100 points; one point is 0.01"),
        (parse_drop, 2.0, "max_drop=2 would allow 200 points; 2 points are 0.02"),
        (parse_accuracy, 97.1, "accuracy=97.1: an accuracy is a fraction of 1: 0.971"),
        (parse_accuracy, "150 %", "accuracy='150 %': an accuracy is a fraction of 1"),
    ],
)
def test_a_number_that_was_meant_in_percent_is_refused_with_what_was_meant(parse, value, meant):
    with pytest.raises(QuantityError) as refused:
        parse(value)
    assert meant in str(refused.value)


@pytest.mark.parametrize("parse", [parse_margin, parse_drop])
def test_a_text_with_a_unit_says_on_purpose_what_a_number_may_not(parse):
    assert parse("150 %") == 1.5
    assert parse("3 %") == pytest.approx(0.03)
    assert parse(0.999) == 0.999


@given(st.floats(1, 1e300) | st.integers(1, 10**300))
def test_no_number_of_one_or_more_is_ever_a_margin_or_a_drop(value):
    for parse in (parse_margin, parse_drop):
        with pytest.raises(QuantityError):
            parse(value)


@given(st.floats(0, 1))
def test_every_fraction_is_an_accuracy(value):
    assert parse_accuracy(value) == value


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
    assert quantities.energy(joules).text == text


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
    assert quantities.energy(12_346.0, uncertainty=uncertainty).text == text


def test_estimate_carries_a_tilde():
    assert quantities.energy(12_345.0, estimated=True).text == "~12.3 kJ"


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_unknown_is_never_zero(value):
    assert quantities.energy(value).text == quantities.UNKNOWN


def test_watt_hours_stand_beside_from_one_on():
    assert quantities.energy_both(3_599.0) == "3.60 kJ"
    assert quantities.energy_both(36_000.0) == "36.0 kJ (10.0 Wh)"
    assert quantities.energy_both(36e6, estimated=True) == "~36.0 MJ (~10.0 kWh)"


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
        (None, quantities.UNKNOWN),
    ],
)
def test_seconds(duration, text):
    assert quantities.seconds(duration) == text


@pytest.mark.parametrize(
    ("ratio", "uncertainty", "text"),
    [
        (-0.382, None, f"{MINUS}38.2 %"),
        (0.02, 0.2, "+2 %"),
        (0.0234, 0.018, "+2.3 %"),
        (0.02346, 0.0002, "+2.35 %"),
        (-0.0001, None, "0.0 %"),
        (12.0, None, "13 times"),
        (None, None, quantities.UNKNOWN),
    ],
)
def test_percent(ratio, uncertainty, text):
    assert quantities.percent(ratio, uncertainty=uncertainty) == text


def test_interval_has_one_precision():
    assert quantities.interval((-0.4012, -0.3621)) == f"{MINUS}40.1 to {MINUS}36.2 %"
    assert quantities.interval(None) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567, "1,234,567"), (0.6094, "0.6094"), (1e-9, "1.000e-09"), (-3.0, f"{MINUS}3")],
)
def test_number(value, text):
    assert quantities.number(value) == text


def test_a_column_has_one_unit_and_one_precision():
    near = quantities.energy_column([(j, None, False) for j in (940.0, 15_020.0, 1_470.0)])
    assert [q.text for q in near] == ["0.94 kJ", "15.02 kJ", "1.47 kJ"]


def test_a_column_that_no_unit_suits_has_a_unit_for_each():
    far = quantities.energy_column([(0.0042, None, False), (None, None, True), (5e3, None, True)])
    assert [q.text for q in far] == ["4.20 mJ", "–", "~5.00 kJ"]


@pytest.mark.parametrize(
    ("durations", "texts"),
    [
        ([0.7, 82.0, None], ["0.70 s", "82.00 s", "–"]),
        ([38.2, 65.0, None], ["0:38", "1:05", "–"]),
        ([38.2, 3_723.0], ["0:38", "1:02:03"]),
        ([0.0000648, 0.0009], ["65 µs", "900 µs"]),
    ],
)
def test_a_column_of_durations_has_one_unit_or_is_as_on_a_clock(durations, texts):
    assert [q.text for q in quantities.duration_column(durations)] == texts


def test_two_figures_that_differ_are_written_so_that_they_look_different():
    assert quantities.energies(38_000, 41_000) == ("38.0 kJ", "41.0 kJ")
    assert quantities.energies(38_000, 38_010) == ("38.00 kJ", "38.01 kJ")
    assert quantities.energies(5, 5) == ("5.00 J", "5.00 J")
    assert quantities.durations(90, 125) == ("1 min 30 s", "2 min 05 s")
    assert quantities.durations(90, 90.01) == ("90.00 s", "90.01 s")


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.084, "+8.4 %"),
        (-0.5, f"{MINUS}50.0 %"),
        (0.0002, "+0.02 %"),
        (-0.0002, f"{MINUS}0.02 %"),
        (0.0, "0.0 %"),
        (8.9, "+890.0 %"),
        (3_760.02, "3,761 times the budget"),
    ],
)
def test_a_change_in_a_sentence_is_never_a_percentage_of_thousands(ratio, text):
    assert quantities.change_of(ratio, "the budget") == text


def test_bounds_are_as_fine_as_the_change_before_them():
    assert quantities.bounds((-0.4012, 0.3621)) == f"[{MINUS}40.1, +36.2]"
    assert quantities.bounds((0.2, 11.0)) == "[+20.0 %, 12 times]"
    assert quantities.bounds((9.5, 11.0)) == "[10 times, 12 times]"
    assert quantities.interval((0.2, 11.0)) == "+20.0 % to 12 times"
    assert quantities.bounds(None) == ""


def test_one_point_is_no_points():
    assert quantities.drop(0.01) == "1 point"
    assert quantities.drop(0.005) == "0.5 points"
    assert quantities.in_points(-0.0042) == f"{MINUS}0.42 points"
    assert quantities.in_points(-0.00002) == f"{MINUS}0.002 points", (
        "one image of ImageNet's 50,000"
    )
    assert quantities.in_points(0.0) == "0.00 points"
    assert quantities.interval((0.033, 0.675)) == "+3.3 to +67.5 %", "above a margin of 3 %"
    assert quantities.points_interval((-0.02, 0.01)) == f"{MINUS}2.00 to +1.00 points"
    assert quantities.points_bounds((-0.02, 0.01)) == f"[{MINUS}2.00, +1.00]"
    assert quantities.points_interval(None) == quantities.points_bounds(None) == ""
    assert quantities.share(0.03) == "3 %"


def test_aligned_column_has_points_and_units_under_each_other():
    column = [Quantity("12.34", "kJ"), Quantity("250", "J", True), Quantity("9.1", "kJ")]
    lines = [line.rjust(12) for line in quantities.align(column)]
    assert len({line.index("J") - ("kJ" in line) for line in lines}) == 1
    assert lines[0].index(".") == lines[2].index(".")


@given(
    st.floats(1e-12, 1e12),
    st.none() | st.floats(1e-12, 1e12),
)
def test_what_is_written_is_what_was_meant(joules, uncertainty):
    text = quantities.energy(joules, uncertainty=uncertainty)
    scale = {"nJ": 1e-9, "µJ": 1e-6, "mJ": 1e-3, "J": 1, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9}[text.unit]
    back = float(text.number.replace(",", "")) * scale
    assert back == pytest.approx(joules, rel=0.051)
    digits = re.sub(r"[^0-9]", "", text.number).lstrip("0")
    assert len(digits) >= 2
