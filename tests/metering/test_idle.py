"""Idle power: measured for a stated time, subtracted only when asked, both figures kept."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_energybench.metering.fake import FakeClock, FakeMeter, FakeSource
from pytest_energybench.metering.idle import IdlePower, measure_idle, subtract_idle
from pytest_energybench.metering.meter import Meter
from pytest_energybench.metering.source import Reading


def test_idle_power_is_watts_over_a_stated_time() -> None:
    meter = FakeMeter({"cpu:0": 12.0, "gpu:0": [(0.0, 30.0), (2.0, 50.0)]})
    idle = measure_idle(meter, 4.0, sleep=meter.clock.advance)
    assert idle.watts == {"cpu:0": pytest.approx(12.0), "gpu:0": pytest.approx(40.0)}
    assert idle.duration_s == 4.0
    assert idle.started.endswith("+00:00")


def test_a_lost_domain_has_no_idle_power() -> None:
    meter = FakeMeter({"cpu:0": 12.0, "gpu:0": 30.0})
    meter.source.lose("gpu:0", at=1.0)
    idle = measure_idle(meter, 4.0, sleep=meter.clock.advance)
    assert set(idle.watts) == {"cpu:0"}
    assert idle.errors[0].startswith("gpu:0")


def test_where_no_time_passed_no_idle_power_is_known() -> None:
    assert measure_idle(FakeMeter(), 4.0, sleep=lambda _: None).watts == {}


def test_what_spoiled_it_is_kept() -> None:
    meter = FakeMeter(period_s=1.0)
    assert "too short" in measure_idle(meter, 4.0, sleep=meter.clock.advance).flags[0]


class Busy:
    """A source without a domain that sees other processes' work in every window."""

    domains = ()

    def open(self) -> None: ...

    def close(self) -> None: ...

    def read(self) -> Reading:
        return Reading({}, {})

    def judge(self, begin: float, end: float) -> list[str]:  # noqa: ARG002
        return ["background load: other processes used 1.5 cores"]


def test_a_busy_machine_shows_no_idle_power_but_an_estimates_own() -> None:
    clock = FakeClock()
    counters = FakeSource({"cpu:0": 30.0}, clock)
    model = FakeSource({"cpu": 9.0}, clock, provenance="estimated")
    model.domains = (model.domains[0]._replace(idle_w=2.0),)
    idle = measure_idle(Meter([counters, model, Busy()], clock=clock), 4.0, sleep=clock.advance)
    assert idle.watts == {"cpu": 2.0}
    net = subtract_idle({"cpu:0": 70.0, "cpu": 9.0}, 1.0, idle)
    assert net.net_j == {"cpu": 7.0}
    assert math.isnan(net.net_total_j)
    (error,) = net.errors
    assert error.startswith("cpu:0: its idle power is not known")
    assert error.endswith("(spoiled: background load: other processes used 1.5 cores)")


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan])
def test_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="needs some time"):
        measure_idle(FakeMeter(), seconds)


def test_both_figures_are_kept() -> None:
    idle = IdlePower({"cpu:0": 10.0, "dram:0": 2.0}, 5.0, "")
    net = subtract_idle({"cpu:0": 500.0, "dram:0": 30.0}, 10.0, idle)
    assert net.gross_j == {"cpu:0": 500.0, "dram:0": 30.0}
    assert net.idle_j == {"cpu:0": 100.0, "dram:0": 20.0}
    assert net.net_j == {"cpu:0": 400.0, "dram:0": 10.0}
    assert net.net_total_j == 410.0
    assert net.errors == ()


def test_without_a_domains_idle_power_its_rest_is_unknown() -> None:
    net = subtract_idle({"gpu:0": 50.0, "cpu:0": 9.0}, 1.0, IdlePower({"cpu:0": 2.0}, 5.0, ""))
    assert net.net_j == {"cpu:0": 7.0}
    assert math.isnan(net.net_total_j)
    assert net.errors == ("gpu:0: its idle power is not known, so it can't be subtracted",)


def test_below_idle_is_unknown_and_both_figures_are_said() -> None:
    net = subtract_idle({"cpu:0": 90.0}, 10.0, IdlePower({"cpu:0": 10.0}, 5.0, ""))
    assert net.net_j == {}
    assert math.isnan(net.net_total_j)
    (error,) = net.errors
    assert error.startswith("cpu:0: used 90 J where the idle machine is said to use 100 J (10 W)")


@given(
    energy=st.dictionaries(st.sampled_from(["cpu:0", "cpu:1", "dram:0"]), st.floats(0.0, 1e6)),
    watts=st.dictionaries(st.sampled_from(["cpu:0", "cpu:1", "dram:0"]), st.floats(0.0, 1e3)),
    seconds=st.floats(1e-3, 1e4),
)
def test_what_is_left_is_the_difference_or_unknown(
    energy: dict[str, float], watts: dict[str, float], seconds: float
) -> None:
    net = subtract_idle(energy, seconds, IdlePower(watts, 5.0, ""))
    for name, joules in energy.items():
        if name in net.net_j:
            assert joules - watts[name] * seconds == pytest.approx(net.net_j[name], abs=1e-6)
    told = {error.partition(": ")[0] for error in net.errors}
    assert told == energy.keys() - net.net_j.keys()
    assert math.isnan(net.net_total_j) == bool(net.errors or not energy)


def test_nothing_minus_nothing_is_unknown() -> None:
    assert math.isnan(subtract_idle({}, 1.0, IdlePower({}, 5.0, "")).net_total_j)


@given(idle_w=st.floats(0.0, 1e3), work_w=st.floats(0.0, 1e3), seconds=st.floats(0.1, 1e4))
def test_work_is_what_is_left(idle_w: float, work_w: float, seconds: float) -> None:
    meter = FakeMeter({"cpu:0": [(0.0, idle_w), (10.0, idle_w + work_w)]})
    idle = measure_idle(meter, 10.0, sleep=meter.clock.advance)
    with meter.measure() as window:
        meter.clock.advance(seconds)
    net = subtract_idle(window.energy_j, window.duration_s, idle)
    assert net.net_total_j == pytest.approx(work_w * seconds, rel=1e-6, abs=1e-4)
