"""Bit patterns against references that use other means: struct, NumPy, exact fractions."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_energybench.experiment.compression.bits import (
    idle_bits,
    nearest_into,
    on_grid,
    truncate,
    truncate_into,
)

ZEROED = st.integers(0, 31)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
PATTERNS = st.integers(0, 2**32 - 1)
MAX = 3.4028234663852886e38


def nearest(source: torch.Tensor, zeroed: int) -> torch.Tensor:
    """What the training loop's rounding makes of numbers."""
    result = torch.full_like(source, 7.0)
    nearest_into(zeroed, source, result)
    return result


def pattern(value: float) -> int:
    return int(struct.unpack("<I", struct.pack("<f", value))[0])


def value_of(bits: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", bits))[0])


def tensor_of(bits: int) -> torch.Tensor:
    return torch.from_numpy(np.array([bits], dtype=np.uint32).view(np.float32).copy())


def bits_of(tensor: torch.Tensor) -> int:
    return int(tensor.numpy().view(np.uint32)[0])


@given(FLOATS, ZEROED)
def test_truncation_clears_exactly_the_low_bits(value: float, zeroed: int) -> None:
    result = truncate(torch.tensor([value]), zeroed)
    assert bits_of(result) == pattern(value) & (0xFFFFFFFF << zeroed) & 0xFFFFFFFF


@given(FLOATS, st.integers(1, 23))
def test_nearest_is_the_nearest_number_and_away_from_zero_when_half_way(
    value: float, zeroed: int
) -> None:
    below = value_of(pattern(value) & (0xFFFFFFFF << zeroed) & 0xFFFFFFFF)
    above_bits = pattern(below) + (1 << zeroed)
    above = value_of(above_bits)
    result = nearest(torch.tensor([value]), zeroed)
    if not math.isfinite(above):
        return  # next to infinity nothing is promised
    to_below, to_above = (abs(Fraction(value) - Fraction(end)) for end in (below, above))
    expected = below if to_below < to_above else above
    assert bits_of(result) == pattern(expected)


@given(FLOATS)
def test_at_16_bits_nearest_is_the_hardware_s_bfloat16_unless_half_way(value: float) -> None:
    source = torch.tensor([value])
    converted = source.to(torch.bfloat16).to(torch.float32)
    if torch.isfinite(converted).all() and pattern(value) & 0xFFFF != 0x8000:
        assert bits_of(nearest(source, 16)) == bits_of(converted)


@given(PATTERNS, ZEROED)
def test_what_is_not_finite_stays_and_what_is_stays_finite(bits: int, zeroed: int) -> None:
    source = tensor_of(bits)
    result = truncate(source, zeroed)
    if torch.isfinite(source).all():
        assert torch.isfinite(result).all()
        assert torch.signbit(result) == torch.signbit(source)
        assert on_grid(result, zeroed)
    else:
        assert bits_of(result) == bits


def test_negative_zero_and_small_negatives_keep_their_sign() -> None:
    source = torch.tensor([-0.0, -1e-45])
    for result in (truncate(source, 20), nearest(source, 20)):
        assert torch.equal(result, torch.zeros(2))
        assert torch.signbit(result).all()


def test_from_24_bits_the_exponent_falls_too() -> None:
    # 1.0 has exponent 127, odd: clearing its last bit gives 2^-1; 2.0 has 128 and stays.
    assert truncate(torch.tensor([1.0, 2.0, 3.9]), 24).tolist() == [0.5, 2.0, 2.0]


@settings(max_examples=50)
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=40), st.integers(1, 23))
def test_truncating_in_place_is_truncating(values: list[float], zeroed: int) -> None:
    source = torch.tensor(values)
    out = torch.full_like(source, 7.0)
    truncate_into(zeroed, source, out)
    assert torch.equal(out.view(torch.int32), truncate(source, zeroed).view(torch.int32))


def test_zero_bits_change_nothing() -> None:
    source = torch.randn(100)
    assert torch.equal(truncate(source, 0), source)


def test_on_grid_sees_a_single_bit_and_takes_narrow_types() -> None:
    good = nearest(torch.randn(1000), 18)
    assert on_grid(good, 18)
    assert on_grid(good.to(torch.bfloat16), 18)
    spoiled = good.clone()
    spoiled.view(torch.int32)[500] |= 1
    assert not on_grid(spoiled, 18)


@pytest.mark.parametrize("zeroed", [-1, 32])
def test_other_numbers_of_bits_are_refused(zeroed: int) -> None:
    with pytest.raises(ValueError, match="0 to 31"):
        truncate(torch.zeros(1), zeroed)


def test_only_float32_has_these_bits() -> None:
    with pytest.raises(TypeError, match="float64"):
        truncate(torch.zeros(1, dtype=torch.float64), 4)


@given(st.integers(0, 31))
def test_idle_bits_are_those_zero_everywhere(zeroed: int) -> None:
    values = truncate(torch.randn(4, 5), zeroed)
    values.view(torch.int32)[0, 0] |= 1 << zeroed
    assert idle_bits(values) == zeroed


def test_idle_bits_of_zeros_and_of_bfloat16_numbers() -> None:
    assert idle_bits(torch.zeros(3)) == 32
    assert idle_bits(torch.randn(10_000).to(torch.bfloat16).float()) == 16
