"""A set of sources, and the process's own one."""

from __future__ import annotations

import math
import os

import pytest

import pytest_energybench.metering.default as module
from pytest_energybench.metering.default import default_meter, measure
from pytest_energybench.metering.errors import MeterError
from pytest_energybench.metering.fake import FakeClock, FakeMeter, FakeSource
from pytest_energybench.metering.load_monitor import LoadMonitor
from pytest_energybench.metering.meter import Meter
from tests.metering.conftest import Seconds, Tree


def test_one_domain_from_two_sources_is_refused() -> None:
    clock = FakeClock()
    with pytest.raises(MeterError, match="'cpu:0' comes from two meters"):
        Meter([FakeSource({"cpu:0": 1.0}, clock), FakeSource({"cpu:0": 1.0}, clock)])


def test_several_sources_are_one_figure() -> None:
    clock = FakeClock()
    sources = [FakeSource({"cpu:0": 1.0}, clock), FakeSource({"wall": 2.0}, clock)]
    meter = Meter(sources, clock=clock)
    with meter.measure() as window:
        clock.advance(1.0)
    assert [domain.name for domain in meter.domains] == ["cpu:0", "wall"]
    assert window.total_j == 3.0


def test_measure_uses_the_process_meter(
    two_packages: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_default", None)
    monkeypatch.setenv("ENERGYBENCH_METERS", "rapl")
    with measure("work") as window:
        two_packages.grow("intel-rapl:0", 10.0)
        two_packages.grow("intel-rapl:0:0", 100.0)
    assert window.name == "work"
    assert window.total_j == pytest.approx(110.0)
    assert default_meter() is default_meter()


def test_a_forked_child_finds_its_own_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_default", FakeMeter())
    pid = os.fork()
    if pid == 0:
        os._exit(3 if module._default is None else 4)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3


def test_a_forked_child_meters_on_inside_a_window() -> None:
    meter = FakeMeter({"cpu:0": 1.0})
    with meter.measure() as outer:
        pid = os.fork()
        if pid == 0:
            with meter.measure() as window:
                meter.clock.advance(2.0)
            outer.__exit__(None, None, None)
            os._exit(5 if window.total_j == 2.0 and not window.flags else 6)
        meter.clock.advance(1.0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    assert outer.total_j == 1.0


def test_heavy_work_needs_no_lock_without_exclusion() -> None:
    meter = FakeMeter()
    with meter.heavy_work(), meter.measure() as window:
        meter.clock.advance(1.0)
    assert window.total_j == 10.0


def test_beside_one_more_source_the_watch_and_what_may_be_missing_stay() -> None:
    clock, cpu = FakeClock(), Seconds()
    watched = Meter(
        [FakeSource({"cpu:0": 1.0}, clock), FakeSource({"gpu:0": 1.0}, clock)],
        clock=clock,
        load=LoadMonitor(cpu, cores=2, clock=clock),
        allow_missing=["gpu:0"],
    )
    both = watched.beside(FakeSource({"wall": 1.0}, clock))
    with both.measure() as window:
        clock.advance(10.0)
        cpu.busy += 8.0
    assert both.allow_missing == {"gpu:0"}
    assert "other processes used 8 CPU-s" in window.flags[0]


def test_what_was_spent_so_far_is_unknown_where_nothing_was_read() -> None:
    clock = FakeClock()
    source = FakeSource({"cpu:0": 1.0}, clock)
    meter = Meter([source], clock=clock, allow_missing=["cpu:0"])
    with meter.measure() as window:
        source.lose("cpu:0")
        assert math.isnan(window.joules_so_far())
