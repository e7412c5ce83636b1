"""Sampled power: its integral and how far off it may be."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.metering.fake import integral
from pytest_energybench.metering.power import MOST_POINTS, PowerIntegral

PERIOD_S = 0.1
LIMIT_W = 300.0


def sampled(
    steps: list[tuple[float, float]], phase: float, limit_w: float = LIMIT_W
) -> tuple[PowerIntegral, float, float]:
    """The integral of a trace of (seconds, watts) levels, its truth, and its length."""
    trace, start = [], 0.0
    for seconds, watts in steps:
        trace.append((start, watts))
        start += seconds

    def watts_at(second: float) -> float:
        return next(watts for begin, watts in reversed(trace) if begin <= second)

    power = PowerIntegral(limit_w)
    power.add(0.0, watts_at(0.0))
    second = PERIOD_S * (0.05 + 0.9 * phase)
    while second < start:
        power.add(second, watts_at(second))
        second += PERIOD_S
    power.add(start, watts_at(start))
    return power, integral(trace)(start), start


LEVELS = st.floats(20.0, LIMIT_W)


def test_a_steady_level_is_exact() -> None:
    power, truth, end = sampled([(3.0, 150.0)], 0.3)
    assert power.energy_j(0.0, end) == pytest.approx(truth)


def test_a_ramp_is_exact() -> None:
    power = PowerIntegral()
    for tick in range(11):
        power.add(tick / 10, 100.0 * tick)
    assert power.energy_j(0.0, 1.0) == pytest.approx(500.0)


@given(
    levels=st.lists(LEVELS, min_size=10, max_size=30),
    phase=st.floats(0.0, 1.0),
)
def test_features_of_ten_periods_are_within_a_hundredth(levels: list[float], phase: float) -> None:
    """A train of features, each a level held for ten sample periods and left by a slope."""
    power = PowerIntegral(LIMIT_W)
    ends = [*levels, levels[-1]]

    def watts_at(second: float) -> float:
        feature, place = divmod(second, 10 * PERIOD_S)
        here, there = ends[int(feature)], ends[min(int(feature) + 1, len(levels))]
        slope = max(0.0, place / PERIOD_S - 9.0)
        return here + (there - here) * slope

    end = 10 * PERIOD_S * len(levels)
    truth = sum(9.5 * here + 0.5 * there for here, there in pairwise(ends)) * PERIOD_S
    at = 0.0
    power.add(at, watts_at(at))
    at = PERIOD_S * (0.05 + 0.9 * phase)
    while at < end:
        power.add(at, watts_at(at))
        at += PERIOD_S
    power.add(end, levels[-1])
    assert power.energy_j(0.0, end) == pytest.approx(truth, rel=0.01)


@given(
    bursts=st.lists(st.tuples(st.floats(0.1, 3.0), LEVELS, LEVELS), min_size=1, max_size=20),
    phase=st.floats(0.0, 1.0),
)
def test_bursts_of_a_period_or_more_are_within_the_bound(
    bursts: list[tuple[float, float, float]], phase: float
) -> None:
    steps = [step for seconds, high, low in bursts for step in ((seconds, high), (seconds, low))]
    power, truth, end = sampled(steps, phase)
    assert abs(power.energy_j(0.0, end) - truth) <= power.error_j(0.0, end) + 1e-6


@given(at=st.floats(0.0, 2.0), length=st.floats(0.001, 0.1), high=LEVELS, phase=st.floats(0.0, 1.0))
def test_a_burst_between_two_samples_is_within_the_bound(
    at: float, length: float, high: float, phase: float
) -> None:
    power, truth, end = sampled([(at, 20.0), (length, high), (2.5, 20.0)], phase)
    assert abs(power.energy_j(0.0, end) - truth) <= power.error_j(0.0, end) + 1e-6


def test_the_bound_is_not_everything() -> None:
    power, truth, end = sampled([(30.0, 100.0)], 0.5)
    assert 0.0 < power.error_j(0.0, end) < 0.01 * truth


@given(steps=st.lists(st.tuples(st.floats(0.05, 3.0), LEVELS), min_size=2, max_size=9))
def test_adjacent_spans_add_up(steps: list[tuple[float, float]]) -> None:
    power, _, end = sampled(steps, 0.5)
    cut = steps[0][0]
    parts = power.energy_j(0.0, cut), power.energy_j(cut, end)
    assert min(parts) >= 0.0
    assert sum(parts) == pytest.approx(power.energy_j(0.0, end))


def test_a_gap_counts_nothing() -> None:
    power = PowerIntegral()
    power.add(0.0, 100.0)
    power.add(1.0, 100.0)
    power.restart()
    power.add(1000.0, 100.0)
    power.add(1001.0, 100.0)
    assert power.joules == pytest.approx(200.0)
    assert power.energy_j(1000.0, 1001.0) == pytest.approx(100.0)


def test_a_sample_that_is_not_later_is_ignored() -> None:
    power = PowerIntegral()
    power.add(1.0, 100.0)
    power.add(1.0, 900.0)
    power.add(0.5, 900.0)
    power.add(2.0, 100.0)
    assert power.joules == pytest.approx(100.0)


def test_a_long_curve_is_thinned() -> None:
    power = PowerIntegral()
    for second in range(5 * MOST_POINTS):
        power.add(float(second), 1.0)
    points = power.samples(0.0, 5.0 * MOST_POINTS)
    assert MOST_POINTS / 2 < len(points) <= MOST_POINTS
    assert points[0] == (0.0, 1.0)


def test_an_instant_has_no_error() -> None:
    power = PowerIntegral()
    power.add(1.0, 5.0)
    assert power.error_j(1.0, 1.0) == 0.0
    assert power.joules == 0.0
