"""Quantities as people write them, and figures as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.gates.quantity import (
    QuantityError,
    format_change,
    format_duration,
    format_energies,
    format_energy,
    format_percentage,
    parse_duration,
    parse_energy,
    parse_fraction,
)


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
    ("joules", "text"),
    [
        (0, "0 J"),
        (0.0314, "31.4 mJ"),
        (7, "7.00 J"),
        (38_000, "38.0 kJ"),
        (41_234, "41.2 kJ"),
        (2_500_000, "2.50 MJ"),
    ],
)
def test_energies_are_written_with_three_digits_and_a_fitting_unit(joules, text):
    assert format_energy(joules) == text


def test_two_energies_that_differ_are_written_so_that_they_look_different():
    assert format_energies(38_000, 41_000) == ("38.0 kJ", "41.0 kJ")
    assert format_energies(38_000, 38_010) == ("38.00 kJ", "38.01 kJ")
    assert format_energies(5, 5) == ("5.00 J", "5.00 J")


def test_durations_changes_and_percentages_are_written_short():
    assert format_duration(90) == "1.50 min"
    assert format_duration(0.005) == "5.00 ms"
    assert format_change(0.084) == "+8.4 %"
    assert format_change(-0.5) == "-50.0 %"
    assert format_change(0.0002) == "+0.02 %"
    assert format_percentage(0.03) == "3 %"
