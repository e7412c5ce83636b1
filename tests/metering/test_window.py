"""What a window promises whatever its meter is."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from pytest_energybench.metering.clock import SystemClock
from pytest_energybench.metering.fake import FakeClock, FakeMeter
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.source import Domain, Reading
from pytest_energybench.metering.window import sum_joules


class Jumping:
    """A source whose joules the test sets, also backwards."""

    domains = (Domain("cpu:0", "test", "measured"),)

    def __init__(self) -> None:
        self.joules: dict[str, float] = {"cpu:0": 5.0}

    def open(self) -> None: ...

    def close(self) -> None: ...

    def read(self) -> Reading:
        return Reading(dict(self.joules))


def test_a_raising_body_still_closes_the_window() -> None:
    meter = FakeMeter()
    window = meter.measure()

    def fail() -> None:
        with window:
            meter.clock.advance(2.0)
            raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        fail()
    assert window.total_j == 20.0
    assert window.duration_s == 2.0


def test_joules_so_far_while_open_and_after() -> None:
    meter = FakeMeter({"cpu:0": 3.0, "gpu:0": 4.0})
    window = meter.measure()
    assert math.isnan(window.joules_so_far())
    with window:
        meter.clock.advance(1.0)
        assert window.joules_so_far() == 7.0
        meter.clock.advance(1.0)
    meter.clock.advance(5.0)
    assert window.joules_so_far() == 14.0


def test_an_empty_window_has_no_joules_and_no_seconds() -> None:
    with FakeMeter().measure() as window:
        pass
    assert (window.total_j, window.duration_s) == (0.0, 0.0)
    assert window.joules_so_far() == 0.0


def test_started_is_a_utc_label() -> None:
    with FakeMeter().measure() as window:
        pass
    started = datetime.fromisoformat(window.started)
    assert started.tzinfo == UTC
    assert abs((datetime.now(UTC) - started).total_seconds()) < 60


def test_durations_ignore_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    walls = iter((1e9, 0.0))  # somebody sets the clock back to 1970
    monkeypatch.setattr(SystemClock, "wall", staticmethod(lambda: next(walls)))
    windows = [Meter([Jumping()]).measure() for _ in range(2)]  # on the machine's own clock
    for window in windows:
        with window:
            pass
    assert [window.started[:4] for window in windows] == ["2001", "1970"]
    assert all(0.0 <= window.duration_s < 60.0 for window in windows)


def test_a_window_is_used_once() -> None:
    window = FakeMeter().measure("once")
    with window:
        pass
    with pytest.raises(RuntimeError, match="once"), window:
        pass


def test_leaving_without_entering_is_refused() -> None:
    with pytest.raises(RuntimeError, match="never entered"):
        FakeMeter().measure().__exit__(None, None, None)


def test_a_counter_that_goes_back_is_an_error_not_a_negative_number() -> None:
    source = Jumping()
    with Meter([source]).measure() as window:
        source.joules["cpu:0"] = 4.0
    assert window.energy_j == {}
    assert math.isnan(window.total_j)
    assert "went back" in window.errors[0]


def test_a_counter_that_stands_still_for_a_whole_window_is_an_error_not_nought() -> None:
    meter = FakeMeter({"cpu:0": 0.0, "dram:0": 1.0}, period_s=0.001)
    with meter.measure() as window:
        meter.clock.advance(0.03)
    assert list(window.energy_j) == ["dram:0"]
    assert math.isnan(window.total_j)
    assert window.errors == ["cpu:0: lost: its counter stood still for all 0.03 s"]
    with meter.measure() as short:
        meter.clock.advance(0.01)
    assert short.energy_j["cpu:0"] == 0.0
    assert "too short" in short.flags[0]


@pytest.mark.parametrize(
    "meter",
    [FakeMeter({"cpu": 0.0}, provenance="estimated", period_s=0.001), FakeMeter({"own": 0.0})],
)
def test_what_is_no_counter_or_says_that_it_may_be_is_nought(meter: FakeMeter) -> None:
    with meter.measure() as window:
        meter.clock.advance(10.0)
    assert window.total_j == 0.0


def test_a_domain_that_comes_late_is_an_error() -> None:
    source = Jumping()
    source.joules.clear()
    with Meter([source]).measure() as window:
        source.joules["cpu:0"] = 4.0
    assert math.isnan(window.total_j)


@pytest.mark.parametrize("instead", [{}, {"cpu:1": 6.0}])
def test_a_domain_that_is_left_out_silently_is_an_error(instead: dict[str, float]) -> None:
    source = Jumping()
    source.joules |= dict.fromkeys(instead, 5.0)
    with Meter([source]).measure() as window:
        source.joules = instead
    assert math.isnan(window.total_j)
    assert "cpu:0" in window.errors[0]


def test_the_total_is_the_sum_of_all_domains() -> None:
    assert sum_joules({"cpu:0": 10.0, "dram:0": 100.0}) == 110.0
    assert math.isnan(sum_joules({}))


def test_short_windows_of_slow_counters_are_flagged() -> None:
    meter = FakeMeter({"gpu:0": 1.0}, period_s=0.1)
    with meter.measure() as short:
        meter.clock.advance(1.9)
    with meter.measure() as long:
        meter.clock.advance(2.1)
    assert short.flags == [
        "too short for this counter (gpu:0): 1.9 s of at least 2 s; it updates every 0.1 s"
    ]
    assert short.total_j == pytest.approx(1.9)
    assert long.flags == []


def test_error_bars_come_from_the_domains() -> None:
    meter = FakeMeter({"cpu": 10.0}, provenance="estimated", error=0.3)
    with meter.measure() as window:
        meter.clock.advance(10.0)
    assert window.error_j == {"cpu": pytest.approx(30.0)}
    exact = FakeMeter()
    with exact.measure() as counted:
        exact.clock.advance(1.0)
    assert counted.error_j == {}


def test_nested_windows_are_read_at_their_own_edges() -> None:
    meter = FakeMeter({"cpu:0": 1.0})
    with meter.measure() as outer:
        meter.clock.advance(1.0)
        with meter.measure() as inner:
            meter.clock.advance(2.0)
        meter.clock.advance(4.0)
    assert (inner.total_j, outer.total_j) == (2.0, 7.0)
    assert outer.flags == inner.flags == []
    assert meter.source.opened == 1


def test_overlapping_windows_are_both_flagged() -> None:
    meter = FakeMeter()
    first, second = meter.measure("first"), meter.measure("second")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert first.flags == ["overlaps window 'second' of this process"]
    assert second.flags == ["overlaps window 'first' of this process"]


def test_windows_in_several_threads() -> None:
    meter = FakeMeter({"cpu:0": 1.0})
    totals: list[float] = []

    def work() -> None:
        for _ in range(50):
            with meter.measure() as window:
                pass
            totals.append(window.total_j)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with meter.measure() as after:
        meter.clock.advance(1.0)
    assert totals == [0.0] * 200
    assert after.total_j == 1.0
    assert after.flags == []


class Curve(Jumping):
    """A source that samples power and doubts its figures."""

    def judge(self, begin: float, end: float) -> Sequence[str]:
        return [f"doubtful from {begin} to {end}"]

    def samples(self, begin: float, end: float) -> Mapping[str, Sequence[tuple[float, float]]]:
        return {"cpu:0": [(0.0, 10.0), (end - begin, 20.0)]}

    def bounds_j(self, begin: float, end: float) -> Mapping[str, float]:
        return {"cpu:0": (end - begin) / 2}


def test_what_a_source_can_do_beyond_joules_reaches_the_window() -> None:
    clock = FakeClock(100.0)
    source = Curve()
    with Meter([source], clock=clock).measure() as window:
        clock.advance(3.0)
        source.joules["cpu:0"] += 1.0
    assert window.flags == ["doubtful from 100.0 to 103.0"]
    assert window.samples == {"cpu:0": [(0.0, 10.0), (3.0, 20.0)]}
    assert window.error_j == {"cpu:0": 1.5}


def test_its_representation_has_name_joules_and_seconds() -> None:
    meter = FakeMeter()
    with meter.measure("fit") as window:
        meter.clock.advance(2.0)
    assert repr(window) == "<Window 'fit' 20 J in 2 s>"
