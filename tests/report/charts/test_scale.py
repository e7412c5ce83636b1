"""Scales and round values."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_energybench.report.charts.scale import Scale, around, magnitudes, nice

reasonable = st.floats(-1e9, 1e9, allow_subnormal=False)


def test_linear_and_logarithmic_places():
    assert [Scale(0, 10).at(v) for v in (0, 5, 10, 20, -3)] == [0, 50, 100, 100, 0]
    assert Scale(1, 100, log=True).at(10) == 50
    assert Scale(1, 100, log=True).at(0) == 0
    assert Scale(3, 3).at(3) == 50


def test_round_values():
    assert nice(0, 1, 5) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert nice(0.951, 0.992, 4) == [0.96, 0.98]
    assert nice(3, 3, 5) == [3]


@given(reasonable, reasonable, st.integers(1, 8))
def test_round_values_lie_inside_and_are_few(low, high, count):
    assume(high - low > 1e-6 * max(abs(low), abs(high), 1e-3))
    values = nice(low, high, count)
    assert len(values) <= count + 2
    slack = 1e-6 * (high - low)
    assert all(low - slack <= value <= high + slack for value in values)


@given(st.lists(reasonable, max_size=20))
def test_a_scale_around_values_holds_them_all(values):
    scale = around(values)
    assert scale.low < scale.high
    assert all(scale.low <= value <= scale.high for value in values)


def test_many_magnitudes_are_drawn_logarithmically():
    assert magnitudes([1, 1000]).log
    assert not magnitudes([1, 4]).log
    assert not magnitudes([]).log
    labels = [tick.label for tick in magnitudes([940.0, 14_200.0]).ticks(lambda v: f"{v:g}", 4)]
    assert labels == ["1000", "3000", "10000"]


@pytest.mark.parametrize("scale", [Scale(-1, 1), Scale(0.01, 1e6, log=True), Scale(2, 2)])
def test_ticks_are_on_the_axis(scale):
    ticks = scale.ticks(str)
    assert ticks
    assert all(0 <= tick.at <= 100 and math.isfinite(tick.at) for tick in ticks)
