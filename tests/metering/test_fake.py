"""The meter that users' tests play with."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.metering.fake import FakeClock, FakeMeter, integral

STEPS = st.lists(
    st.tuples(st.floats(0.01, 50.0), st.floats(0.0, 500.0)), min_size=1, max_size=8
)  # (seconds that a level lasts, its watts)


def trace_of(steps: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """`(from second, watts)` of levels given by their lengths."""
    trace, start = [], 0.0
    for seconds, watts in steps:
        trace.append((start, watts))
        start += seconds
    return trace


def test_a_window_has_the_integral_of_the_trace() -> None:
    meter = FakeMeter({"cpu:0": 20.0, "gpu:0": [(0.0, 50.0), (2.0, 300.0)]})
    with meter.measure("work") as window:
        meter.clock.advance(3.0)
    assert window.energy_j == {"cpu:0": 60.0, "gpu:0": 400.0}
    assert window.total_j == 460.0
    assert window.duration_s == 3.0
    assert window.errors == []


@given(steps=STEPS, cut=st.floats(0.0, 1.0))
def test_adjacent_windows_add_up(steps: list[tuple[float, float]], cut: float) -> None:
    meter = FakeMeter({"cpu:0": trace_of(steps)})
    length = sum(seconds for seconds, _ in steps)
    with meter.measure() as whole:
        with meter.measure() as first:
            meter.clock.advance(length * cut)
        with meter.measure() as second:
            meter.clock.advance(length * (1.0 - cut))
    truth = sum(seconds * watts for seconds, watts in steps)
    assert first.total_j >= 0
    assert second.total_j >= 0
    assert first.total_j + second.total_j == pytest.approx(whole.total_j, abs=1e-6)
    assert whole.total_j == pytest.approx(truth, rel=1e-9, abs=1e-6)


def test_a_function_is_integrated() -> None:
    joules = integral(lambda second: 100.0 + 50.0 * math.sin(second))
    joules(1.3)  # reading in between changes nothing
    assert joules(10.0) == pytest.approx(1000.0 + 50.0 * (1 - math.cos(10.0)), rel=1e-6)


def test_a_lost_domain_is_named_with_its_time_and_leaves_no_number() -> None:
    meter = FakeMeter({"cpu:0": 10.0, "gpu:0": 10.0})
    meter.source.lose("gpu:0", at=1.5, why="fell off the bus")
    with meter.measure() as window:
        meter.clock.advance(1.0)
        assert window.joules_so_far() == 20.0
        meter.clock.advance(1.0)
        assert math.isnan(window.joules_so_far())
    assert window.energy_j == {"cpu:0": 20.0}
    assert math.isnan(window.total_j)
    assert not window.total_j < 1e9
    assert window.errors == ["gpu:0: lost 1.500 s into the window: fell off the bus"]


def test_provenance_can_be_chosen_by_domain() -> None:
    meter = FakeMeter({"a": 1.0, "b": 1.0}, provenance={"a": "measured", "b": "estimated"})
    assert meter.provenance == {"a": "measured", "b": "estimated"}


def test_the_clock_goes_forward_only() -> None:
    with pytest.raises(ValueError, match="go back"):
        FakeClock().advance(-1.0)


def test_steps_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        FakeMeter({"cpu:0": [(2.0, 1.0), (1.0, 5.0)]})


def test_losing_an_unknown_domain_is_refused() -> None:
    with pytest.raises(KeyError, match="gpu:7"):
        FakeMeter().source.lose("gpu:7")
